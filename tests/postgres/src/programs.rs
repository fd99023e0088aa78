use std::{env, fs, path::PathBuf};

use super::is_program;

/// Returns the path of one of PostgreSQL's programs: from the directory `SLOTWAY_POSTGRES` if set, else the newest
/// version that Debian installed, else from the search path. Debian installs the programs outside the search path,
/// which has only wrappers of some.
pub(crate) fn program(name: &str) -> PathBuf {
    let named = env::var_os("SLOTWAY_POSTGRES").map(PathBuf::from);
    let mut installed: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    installed.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    let searched = env::var_os("PATH").unwrap_or_default();
    let searched = env::split_paths(&searched).collect::<Vec<_>>();
    let directories = named.into_iter().chain(installed.into_iter().map(|(_, bin)| bin)).chain(searched);
    let mut found = directories.map(|directory| directory.join(name)).filter(|path| is_program(path));
    found.next().unwrap_or_else(|| {
        panic!("PostgreSQL's {name} is missing: run tests/tools/postgres.sh, or set SLOTWAY_POSTGRES to its directory")
    })
}
