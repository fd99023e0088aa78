//! Files that are written completely or not at all, readable by their owner alone.

use std::{
    fs::{DirBuilder, File},
    io::{self, ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, RenameFlags, renameat_with},
    io::Errno,
};

/// What happens to a file that has the name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfExists {
    /// It is replaced.
    Replace,
    /// It stays, and writing fails with [`ErrorKind::AlreadyExists`].
    Fail,
}

/// A file that receives its name only once its content is on disk.
///
/// Content goes to a temporary file in the same directory, with mode 600. [`AtomicFile::commit`] syncs it, gives it its
/// name and syncs the directory. Without `commit`, dropping it removes the temporary file and leaves the name as it was.
#[derive(Debug)]
pub struct AtomicFile {
    path: PathBuf,
    if_exists: IfExists,
    temporary: Temporary,
    file: File,
}

impl AtomicFile {
    /// Creates the temporary file for `path`.
    ///
    /// # Errors
    /// Those of the file system. [`ErrorKind::AlreadyExists`] with [`IfExists::Fail`] if something has the name already.
    pub fn create(path: &Path, if_exists: IfExists) -> io::Result<Self> {
        if if_exists == IfExists::Fail && path.symlink_metadata().is_ok() {
            return Err(Errno::EXIST.into());
        }
        let temporary = Temporary(temporary_path(path)?);
        let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&temporary.0);
        match file {
            Ok(file) => Ok(Self { path: path.to_owned(), if_exists, temporary, file }),
            Err(error) => {
                // Not created here, so not removed here.
                std::mem::forget(temporary);
                Err(error)
            }
        }
    }

    /// Returns how many bytes were written so far.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn bytes(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Syncs the content, gives the file its name, and syncs the directory.
    ///
    /// # Errors
    /// Those of the file system. [`ErrorKind::AlreadyExists`] with [`IfExists::Fail`] if something has received the name meanwhile.
    pub fn commit(self) -> io::Result<()> {
        self.file.sync_all()?;
        match self.if_exists {
            IfExists::Replace => std::fs::rename(&self.temporary.0, &self.path)?,
            IfExists::Fail => rename_to_free_name(&self.temporary.0, &self.path)?,
        }
        sync_directory_of(&self.path)
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Writes a file as a whole; see [`AtomicFile`].
///
/// # Errors
/// As [`AtomicFile::create`] and [`AtomicFile::commit`].
pub fn write(path: &Path, content: &[u8], if_exists: IfExists) -> io::Result<()> {
    let mut file = AtomicFile::create(path, if_exists)?;
    file.write_all(content)?;
    file.commit()
}

/// Creates a directory with access for its owner alone, and its parents as they come. An existing directory is not changed.
///
/// # Errors
/// Those of the file system.
pub fn create_private_directory(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Syncs a complete file that another program made under a temporary name, and gives it its own, replacing what has it.
///
/// # Errors
/// Those of the file system.
pub fn put_in_place(temporary: &Path, path: &Path) -> io::Result<()> {
    File::open(temporary)?.sync_all()?;
    std::fs::rename(temporary, path)?;
    sync_directory_of(path)
}

/// The path of a temporary file, which is removed when this is dropped.
#[derive(Debug)]
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // After a commit it has another name, and this fails.
        let _ = std::fs::remove_file(&self.0);
    }
}

fn temporary_path(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
    let mut random = [0_u8; 8];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{:016x}.tmp", u64::from_ne_bytes(random)));
    Ok(path.with_file_name(temporary))
}

/// Renames, and fails with [`ErrorKind::AlreadyExists`] rather than replace anything.
fn rename_to_free_name(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        // The kernel or the file system cannot do it; a hard link does not replace anything either.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            std::fs::hard_link(from, to)?;
            std::fs::remove_file(from)
        }
        Err(error) => Err(error.into()),
    }
}

/// Makes the name of a file survive a power cut, beside its content.
fn sync_directory_of(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(directory).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_has_its_name_only_once_it_is_committed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        for if_exists in [IfExists::Fail, IfExists::Replace] {
            let mut file = AtomicFile::create(&path, if_exists).unwrap();
            file.write_all(b"half").unwrap();
            assert!(!path.exists());
            drop(file);
            assert_eq!(names(directory.path()), Vec::<String>::new());
        }
        write(&path, b"first", IfExists::Fail).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        write(&path, b"second", IfExists::Replace).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"second");
        assert_eq!(names(directory.path()), ["token"]);
    }

    #[test]
    fn an_existing_file_stays_where_it_must_not_be_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("backup");
        let early = AtomicFile::create(&path, IfExists::Fail).unwrap();
        std::fs::write(&path, "other").unwrap();
        assert_eq!(early.commit().unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(write(&path, b"new", IfExists::Fail).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"other");
        assert_eq!(names(directory.path()), ["backup"]);
    }

    #[test]
    fn a_failure_names_its_kind() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("none/token");
        assert_eq!(write(&missing, b"", IfExists::Fail).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(
            write(Path::new("/"), b"", IfExists::Replace).unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
    }
}
