//! Damage to the database file.

use std::{fmt, fs, path::Path};

use crate::dice::Dice;

/// Size of an SQLite page; the file has at least two pages.
const PAGE: usize = 4_096;
/// The database and what SQLite keeps beside it.
const FILES: [&str; 3] = ["slotway.db", "slotway.db-wal", "slotway.db-shm"];

/// One kind of damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Damage {
    /// The file is overwritten with random bytes.
    Garbage,
    /// The end of the file is missing.
    Truncated,
    /// The file is empty.
    Emptied,
    /// One page is overwritten.
    TornPage,
    /// The file has the format of a newer slotway.
    Newer,
    /// The database of another program.
    Foreign,
}

impl Damage {
    /// All kinds.
    pub(crate) const ALL: [Self; 6] =
        [Self::Garbage, Self::Truncated, Self::Emptied, Self::TornPage, Self::Newer, Self::Foreign];

    /// Damages the files of a state directory.
    pub(crate) fn strike(self, state: &Path, dice: &mut Dice) {
        let file = state.join(FILES[0]);
        let mut bytes = fs::read(&file).unwrap();
        let mut garbage = |from: usize, to: usize, bytes: &mut [u8]| {
            bytes[from..to].fill_with(|| u8::try_from(dice.between(0, 255)).unwrap_or(0));
        };
        match self {
            Self::Garbage => {
                let length = bytes.len();
                garbage(0, length, &mut bytes);
            }
            Self::Truncated => bytes.truncate(bytes.len() - PAGE / 2),
            Self::Emptied => bytes.clear(),
            // The second page is the root of the only table.
            Self::TornPage => garbage(PAGE, 2 * PAGE, &mut bytes),
            // https://www.sqlite.org/fileformat.html: the user version stands at offset 60, big-endian.
            Self::Newer => bytes[60..64].copy_from_slice(&99_u32.to_be_bytes()),
            Self::Foreign => bytes[60..64].copy_from_slice(&0_u32.to_be_bytes()),
        }
        fs::write(&file, bytes).unwrap();
        if self != Self::Emptied {
            // With its log SQLite would repair some damage. A file that was restored from elsewhere has no log.
            for log in &FILES[1..] {
                let _ = fs::remove_file(state.join(log));
            }
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Garbage => "overwritten",
            Self::Truncated => "truncated",
            Self::Emptied => "emptied",
            Self::TornPage => "torn page",
            Self::Newer => "newer schema",
            Self::Foreign => "of another program",
        })
    }
}

/// The content of the database files.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Files([Option<Vec<u8>>; 3]);

impl Files {
    /// Reads the files.
    pub(crate) fn read(state: &Path) -> Self {
        Self(FILES.map(|file| fs::read(state.join(file)).ok()))
    }

    /// Writes the files back.
    pub(crate) fn restore(&self, state: &Path) {
        for (file, bytes) in FILES.iter().zip(&self.0) {
            match bytes {
                Some(bytes) => fs::write(state.join(file), bytes).unwrap(),
                None => drop(fs::remove_file(state.join(file))),
            }
        }
    }

    /// Returns whether the database and its log are equal. The index of the log (`-shm`) has no data.
    pub(crate) fn same_data(&self, other: &Self) -> bool {
        self.0[..2] == other.0[..2]
    }
}
