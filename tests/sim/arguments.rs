//! What the command is asked to do.

use slotway_engine::mutant::Mutant;

/// The command's help.
pub(crate) const USAGE: &str = "\
usage: sim [options]

  --seed N       the run of this seed alone
  --seeds COUNT  the runs of so many seeds (1000)
  --first N      from this seed on (0)
  --steps N      throw nothing more after so many steps of each run
  --threads N    on so many threads (as many as there are cores)
  --trace        print everything that happens; with --seed
  --mutant NAME  with this seeded defect, in the variant of the filter that has them
  --mutants      each seeded defect until it is caught; fails if one is not within --seeds
  --markdown     their table as Markdown
  --break-cas    in a host whose compare-and-swap always swaps, which must fail
";

/// The command's arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) first: u64,
    pub(crate) seeds: u64,
    pub(crate) steps: Option<u64>,
    pub(crate) threads: usize,
    pub(crate) trace: bool,
    pub(crate) ignores_cas: bool,
    pub(crate) mutant: Option<Mutant>,
    pub(crate) mutants: bool,
    pub(crate) markdown: bool,
}

impl Arguments {
    /// `None` where only help was asked for.
    pub(crate) fn read(mut words: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut arguments = Self {
            first: 0,
            seeds: 1_000,
            steps: None,
            threads: cores,
            trace: false,
            ignores_cas: false,
            mutant: None,
            mutants: false,
            markdown: false,
        };
        while let Some(word) = words.next() {
            let mut number = || -> Result<u64, String> {
                let text = words.next().ok_or(format!("{word} needs a number"))?;
                text.parse().map_err(|_| format!("{word} {text}: not a number"))
            };
            match word.as_str() {
                "--seed" => (arguments.first, arguments.seeds) = (number()?, 1),
                "--seeds" => arguments.seeds = number()?.max(1),
                "--first" => arguments.first = number()?,
                "--steps" => arguments.steps = Some(number()?),
                "--threads" => arguments.threads = number()?.clamp(1, 15) as usize,
                "--trace" => arguments.trace = true,
                "--mutants" => arguments.mutants = true,
                "--markdown" => arguments.markdown = true,
                "--mutant" => {
                    let name = words.next().ok_or("--mutant needs a name")?;
                    let found = Mutant::ALL.iter().find(|mutant| format!("{mutant:?}") == name);
                    let names: Vec<_> = Mutant::ALL.iter().map(|mutant| format!("{mutant:?}")).collect();
                    let unknown = || format!("there is no mutant {name}, but {}", names.join(", "));
                    arguments.mutant = Some(*found.ok_or_else(unknown)?);
                }
                "--break-cas" => arguments.ignores_cas = true,
                "--help" | "-h" => return Ok(None),
                _ => return Err(format!("{word} is unknown")),
            }
        }
        if arguments.trace && arguments.seeds > 1 {
            return Err("--trace needs --seed: a trace is of one run".to_owned());
        }
        Ok(Some(arguments))
    }
}
