/// A column of a table of resources, for example of `slotway get`.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// The heading, in capital letters.
    pub heading: &'static str,
    /// What stands in the column.
    pub cell: Cell,
}

/// What a column shows of a resource. A path is fields with dots between them: `status.in_flight`.
#[derive(Debug, Clone, Copy)]
pub enum Cell {
    /// The resource's name.
    Name,
    /// The labels, as `name=value`.
    Labels,
    /// A text.
    Text(&'static str),
    /// A number.
    Number(&'static str),
    /// `yes` or `no`.
    Flag(&'static str),
    /// The only field of an object: `{"s3": {...}}` shows `s3`.
    Variant(&'static str),
    /// An object of plain values, as `name=value`.
    Pairs(&'static str),
    /// The first entry of a list.
    First(&'static str),
    /// A duration in milliseconds; 0 shows as none.
    Wait(&'static str),
    /// A time since something, in milliseconds.
    Age(&'static str),
}

impl Column {
    /// Returns a column.
    #[must_use]
    pub const fn new(heading: &'static str, cell: Cell) -> Self {
        Self { heading, cell }
    }
}
