//! Reads passwords without echo.

use std::io::{BufRead, IsTerminal, Read, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::commands::CliError;

/// The longest password that the control plane accepts, in bytes.
const BYTES_MAX: usize = 256;
const INTERRUPT: u8 = 0x03;
const END: u8 = 0x04;
const ERASE_LINE: u8 = 0x15;
const BACKSPACE: [u8; 2] = [0x08, 0x7f];

/// A password. `Debug` does not show it.
pub(super) struct Password(pub(super) String);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(..)")
    }
}

/// Asks for a password twice on a terminal, or reads one line of standard input.
///
/// # Errors
/// [`CliError::Usage`] if the password is empty, or the two differ. [`CliError::Runtime`] for a terminal that cannot be
/// used.
pub(super) fn ask(of: &str, from_stdin: bool) -> Result<Password, CliError> {
    let stdin = std::io::stdin();
    if from_stdin || !stdin.is_terminal() {
        return line_of(&mut stdin.lock());
    }
    let once = hidden(&format!("password of {of}: "))?;
    let again = hidden("once more: ")?;
    if once.0 == again.0 {
        Ok(once)
    } else {
        Err(CliError::Usage("the two passwords are not equal".to_owned()))
    }
}

/// Reads the first line.
fn line_of(from: &mut impl BufRead) -> Result<Password, CliError> {
    let mut line = Vec::new();
    let read = from.take(BYTES_MAX as u64 + 2).read_until(b'\n', &mut line);
    read.map_err(|error| CliError::system("reading a password", error))?;
    while line.last().is_some_and(|last| matches!(last, b'\n' | b'\r')) {
        line.pop();
    }
    taken(line)
}

fn taken(bytes: Vec<u8>) -> Result<Password, CliError> {
    if bytes.is_empty() {
        return Err(CliError::Usage(
            "no password. Type it on a terminal, or pass it as a line of standard input".to_owned(),
        ));
    }
    if bytes.len() > BYTES_MAX {
        return Err(CliError::Usage(format!("the password has more than {BYTES_MAX} bytes")));
    }
    let text =
        String::from_utf8(bytes).map_err(|_| CliError::Usage("the password is not UTF-8 text".to_owned()))?;
    Ok(Password(text))
}

/// The terminal's previous settings, restored on drop.
struct Silent(Termios);

impl Silent {
    fn begin() -> Result<Self, CliError> {
        let failed = |error: rustix::io::Errno| CliError::system("hiding a password", error);
        let stdin = std::io::stdin();
        let before = tcgetattr(&stdin).map_err(failed)?;
        let mut silent = before.clone();
        // Signals arrive as bytes, too: a signal that ended the process here would leave the terminal without echo.
        silent.local_modes &= !(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        tcsetattr(&stdin, OptionalActions::Flush, &silent).map_err(failed)?;
        Ok(Self(before))
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0);
        eprintln!();
    }
}

fn hidden(prompt: &str) -> Result<Password, CliError> {
    let silent = Silent::begin()?;
    eprint!("{prompt}");
    let _ = std::io::stderr().flush();
    let typed = typed(std::io::stdin().lock().bytes());
    drop(silent);
    typed.and_then(taken)
}

/// Reads the typed bytes up to the end of the line, with erase keys applied.
fn typed(bytes: impl Iterator<Item = std::io::Result<u8>>) -> Result<Vec<u8>, CliError> {
    let mut line = Vec::new();
    for byte in bytes {
        let byte = byte.map_err(|error| CliError::system("reading a password", error))?;
        match byte {
            b'\n' | b'\r' | END => break,
            INTERRUPT => return Err(CliError::Usage("cancelled. Nothing was changed".to_owned())),
            ERASE_LINE => line.clear(),
            byte if BACKSPACE.contains(&byte) => {
                // A character may have several bytes.
                while line.pop().is_some_and(|byte: u8| byte & 0xc0 == 0x80) {}
            }
            byte if line.len() <= BYTES_MAX => line.push(byte),
            _ => {}
        }
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_can_be_mended_and_given_up() {
        let type_in = |text: &str| typed(text.bytes().map(Ok)).map(|line| String::from_utf8(line).unwrap());
        assert_eq!(type_in("secret\nrest").unwrap(), "secret");
        assert_eq!(type_in("wrong\u{15}right\r").unwrap(), "right");
        assert_eq!(type_in("grün\u{7f}\u{7f}een\n").unwrap(), "green");
        assert_eq!(type_in("\u{7f}a").unwrap(), "a");
        assert!(type_in("sec\u{3}").is_err());
    }

    #[test]
    fn one_line_of_standard_input_is_a_password() {
        let read = |text: &str| line_of(&mut text.as_bytes()).map(|password| password.0);
        assert_eq!(read("two words\r\nmore\n").unwrap(), "two words");
        assert_eq!(read("x".repeat(256).as_str()).unwrap().len(), 256);
        for wrong in ["", "\n", "x".repeat(257).as_str(), "x".repeat(10_000).as_str()] {
            assert!(matches!(read(wrong), Err(CliError::Usage(_))), "{}", wrong.len());
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        assert_eq!(format!("{:?}", Password("secret".to_owned())), "Password(..)");
    }
}
