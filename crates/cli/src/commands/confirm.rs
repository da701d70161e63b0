//! A question before something is taken away: on a terminal it waits for a yes, elsewhere it names
//! the flag that says so.

use std::io::{BufRead, IsTerminal, Write};

use crate::error::{Code, Failure};

/// Asks `question`; anything but yes is a failure that says `otherwise`.
pub(crate) fn ask(question: &str, otherwise: &str, flag: &str) -> Result<(), Failure> {
    if !std::io::stdin().is_terminal() {
        let message = format!("{question} there is no terminal to ask on; {otherwise}");
        return Err(Failure::new(Code::Refused, "prompt", message).hint(flag));
    }
    eprint!("{question} [y/N] ");
    // A prompt that cannot be written is not seen, and then not answered with yes.
    let _unseen = std::io::stderr().flush();
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    if read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    Err(Failure::new(Code::Cancelled, "prompt/no", otherwise))
}
