//! What the command is asked to do.

/// The command's help.
pub(crate) const USAGE: &str = "\
usage: sim [options]

  --seed N       the run of this seed alone
  --seeds COUNT  the runs of so many seeds (1000)
  --first N      from this seed on (0)
  --steps N      throw nothing more after so many steps of each run
  --threads N    on so many threads (as many as there are cores)
  --trace        print everything that happens; with --seed
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
}

impl Arguments {
    /// `None` where only help was asked for.
    pub(crate) fn read(mut words: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut arguments =
            Self { first: 0, seeds: 1_000, steps: None, threads: cores, trace: false, ignores_cas: false };
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
