/// A number of slots that no pool and no worker reaches.
pub(crate) const COUNT_MAX: u32 = 1 << 30;
