//! A terminal for the processes under test.

use std::{
    fs::File,
    io::{Read, Write},
    os::unix::process::CommandExt,
    process::Command,
    thread,
};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::installation::Running;

/// A pseudo-terminal. It is closed on drop.
pub(crate) struct Terminal {
    master: File,
    slave: File,
}

impl Terminal {
    pub(crate) fn open() -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        Self { master: master.into(), slave: File::options().read(true).write(true).open(name).unwrap() }
    }

    /// Starts a command with this as its controlling terminal and standard input.
    pub(crate) fn start(&self, mut command: Command) -> Running {
        command.stdin(self.slave.try_clone().unwrap());
        // SAFETY: two system calls between fork and exec, which allocate nothing and take no lock.
        unsafe {
            command.pre_exec(|| {
                rustix::process::setsid()?;
                Ok(rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?)
            });
        }
        Running(command.spawn().unwrap())
    }

    /// Starts a command with this as its only standard stream. Its output is read and discarded.
    pub(crate) fn start_whole(&self, mut command: Command) -> Running {
        command.stdout(self.slave.try_clone().unwrap()).stderr(self.slave.try_clone().unwrap());
        let mut screen = self.master.try_clone().unwrap();
        thread::spawn(move || {
            let mut piece = [0; 4096];
            while screen.read(&mut piece).is_ok_and(|read| read > 0) {}
        });
        self.start(command)
    }

    /// Types keys.
    pub(crate) fn types(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }
}
