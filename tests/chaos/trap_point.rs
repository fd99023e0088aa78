use std::fmt;

/// Where in the filter a lane dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TrapPoint {
    Request,
    Taken,
    Answer,
    Released,
    Log,
    Tick,
    Wake,
}

impl TrapPoint {
    /// All of them.
    pub(crate) const ALL: [Self; 7] =
        [Self::Request, Self::Taken, Self::Answer, Self::Released, Self::Log, Self::Tick, Self::Wake];

    /// Those that are named, with commas between.
    pub(crate) fn list(names: &str) -> Result<Vec<Self>, String> {
        let find = |name: &str| Self::ALL.into_iter().find(|point| point.to_string() == name);
        names.split(',').map(|name| find(name).ok_or_else(|| format!("{name:?} is no point"))).collect()
    }
}

impl fmt::Display for TrapPoint {
    /// As the filter's test feature has it in a header.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Request => "request",
            Self::Taken => "taken",
            Self::Answer => "answer",
            Self::Released => "released",
            Self::Log => "log",
            Self::Tick => "tick",
            Self::Wake => "wake",
        })
    }
}
