//! Programs that must answer within a limit.

use std::io;
use std::process::Output;
use std::time::Duration;

/// What a program gives, `None` when it was ended because it took longer than
/// `limit`.
///
/// # Errors
/// It cannot be started or waited for.
pub fn output(expression: &duct::Expression, limit: Duration) -> io::Result<Option<Output>> {
    let handle = expression.start()?;
    let output = handle.wait_timeout(limit)?.cloned();
    if output.is_none() {
        handle.kill()?;
    }
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_takes_too_long_is_ended() {
        let sleep = duct::cmd!("sleep", "600");
        assert_eq!(output(&sleep, Duration::from_millis(50)).unwrap(), None);
        let echo = duct::cmd!("echo", "hello").stdout_capture();
        let said = output(&echo, Duration::from_mins(1)).unwrap().unwrap();
        assert_eq!(said.stdout, b"hello\n");
    }
}
