use std::fmt;

/// The place in the filter at which a lane crashes.
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
    /// All points.
    pub(crate) const ALL: [Self; 7] =
        [Self::Request, Self::Taken, Self::Answer, Self::Released, Self::Log, Self::Tick, Self::Wake];

    /// Parses a list of points, separated by commas.
    pub(crate) fn list(names: &str) -> Result<Vec<Self>, String> {
        let find = |name: &str| Self::ALL.into_iter().find(|point| point.to_string() == name);
        names.split(',').map(|name| find(name).ok_or_else(|| format!("{name:?} is no point"))).collect()
    }
}

impl fmt::Display for TrapPoint {
    /// Writes the name that the filter's test hooks expect in a header.
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
