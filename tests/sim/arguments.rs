//! The command's arguments.

use slotway_test_hooks::Defect;

/// The command's help.
pub(crate) const USAGE: &str = "\
usage: sim [options]

  --seed N       run this seed alone
  --seeds COUNT  run this number of seeds (1000)
  --first N      begin with this seed (0)
  --steps N      stop new events after N steps of each run
  --threads N    use N threads (the number of cores)
  --trace        print everything that happens; needs --seed
  --product      run the module that Envoy runs, not its variant for tests with assertions
  --mutant NAME  activate this seeded defect
  --mutants      run seeds with each seeded defect until it is caught; fails if one survives --seeds
  --markdown     print the table of the defects as Markdown
  --break-cas    run in a host whose compare-and-swap always swaps, which must fail
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
    pub(crate) product: bool,
    pub(crate) defect: Option<Defect>,
    pub(crate) all_defects: bool,
    pub(crate) markdown: bool,
}

impl Arguments {
    /// Reads the arguments; `None` if only help was asked for.
    pub(crate) fn read(mut words: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut arguments = Self {
            first: 0,
            seeds: 1_000,
            steps: None,
            threads: cores,
            trace: false,
            ignores_cas: false,
            product: false,
            defect: None,
            all_defects: false,
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
                "--mutants" => arguments.all_defects = true,
                "--product" => arguments.product = true,
                "--markdown" => arguments.markdown = true,
                "--mutant" => {
                    let name = words.next().ok_or("--mutant needs a name")?;
                    let found = Defect::ALL.iter().find(|defect| format!("{defect:?}") == name);
                    let names: Vec<_> = Defect::ALL.iter().map(|defect| format!("{defect:?}")).collect();
                    let unknown =
                        || format!("--mutant {name}: no such defect; the defects are {}", names.join(", "));
                    arguments.defect = Some(*found.ok_or_else(unknown)?);
                }
                "--break-cas" => arguments.ignores_cas = true,
                "--help" | "-h" => return Ok(None),
                _ => return Err(format!("{word} is unknown")),
            }
        }
        if arguments.trace && arguments.seeds > 1 {
            return Err("--trace needs --seed: a trace is of one run".to_owned());
        }
        if arguments.product && (arguments.all_defects || arguments.defect.is_some()) {
            return Err("--product: this module has no seeded defects".to_owned());
        }
        Ok(Some(arguments))
    }
}
