//! The other end of the socket.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::controller::{ControllerReply, ControllerRequest};
use super::place::Place;
use super::protocol::{LONGEST, Reply, Request};

/// How long the other end may take to answer: it is never busy for long.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks the run that goes on in the lab; `None` when none does.
///
/// # Errors
/// It is there, and does not answer.
pub fn ask(place: &Place, request: &Request) -> io::Result<Option<Reply>> {
    exchange(place, request)
}

/// Asks the controller that serves the lab; `None` when none does.
///
/// # Errors
/// It is there, and does not answer.
pub fn ask_controller(
    place: &Place,
    request: &ControllerRequest,
) -> io::Result<Option<ControllerReply>> {
    exchange(place, request)
}

/// One line each way.
fn exchange<Q, R>(place: &Place, request: &Q) -> io::Result<Option<R>>
where
    Q: Serialize,
    R: DeserializeOwned,
{
    for socket in place.found() {
        let stream = match UnixStream::connect(socket) {
            Ok(stream) => stream,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
                ) =>
            {
                continue;
            }
            Err(error) => return Err(error),
        };
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let line = match said(&stream, request) {
            // It ended before it had heard the question.
            Ok(line) if line.is_empty() => continue,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
                ) =>
            {
                continue;
            }
            answered => answered?,
        };
        return Ok(Some(serde_json::from_str(&line)?));
    }
    Ok(None)
}

/// What is answered; empty when the other end has gone.
fn said(mut stream: &UnixStream, request: &impl Serialize) -> io::Result<String> {
    let mut text = serde_json::to_vec(request)?;
    text.push(b'\n');
    stream.write_all(&text)?;
    let mut line = String::new();
    BufReader::new(stream.take(LONGEST * 16)).read_line(&mut line)?;
    Ok(line)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, mpsc};
    use std::thread;

    use super::*;
    use crate::control::{Desk, Server, bind};
    use crate::lab::Paths;
    use camino::Utf8Path;

    #[test]
    fn what_was_heard_is_answered_before_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let place = Place::of(&Paths::live(root), Some(root.as_str()));
        let (heard, told) = mpsc::channel();
        let finished = Arc::new(AtomicBool::new(false));
        let answered = Arc::clone(&finished);
        let slowly = move |_: Result<Request, String>| {
            heard.send(()).unwrap();
            thread::sleep(Duration::from_millis(100));
            answered.store(true, Ordering::SeqCst);
            Reply::Taken {
                run: "r".to_owned(),
            }
        };
        let server = Server::answering(&place, slowly).unwrap();
        let asked = place.clone();
        let asking = thread::spawn(move || ask(&asked, &Request::Stop { now: false }).unwrap());
        told.recv().unwrap();
        drop(server);
        // The process ends here: what is not done by now is never done.
        assert!(finished.load(Ordering::SeqCst));
        assert!(matches!(
            asking.join().unwrap(),
            Some(Reply::Taken { run }) if run == "r"
        ));
        // One that ends before it has heard the question is no run that goes on.
        let listener = bind(place.found().next().unwrap()).unwrap();
        let hangs_up = thread::spawn(move || drop(listener.accept().unwrap()));
        assert_eq!(ask(&place, &Request::Stop { now: false }).unwrap(), None);
        hangs_up.join().unwrap();
    }

    #[test]
    fn one_that_ends_leaves_the_socket_of_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let place = Place::of(&Paths::live(root), Some(root.as_str()));
        let reply = |run: &str| Reply::Taken {
            run: run.to_owned(),
        };
        let first = Server::open(&place, &Desk::new("first")).unwrap();
        let second = Server::open(&place, &Desk::new("second")).unwrap();
        drop(first);
        let stop = Request::Stop { now: false };
        assert_eq!(ask(&place, &stop).unwrap(), Some(reply("second")));
        let socket = place.found().next().unwrap();
        assert!(socket.exists());
        drop(second);
        assert!(!socket.exists());
    }

    #[test]
    fn a_run_answers_while_it_lives_and_takes_only_what_it_knows() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let place = Place::of(&Paths::live(root), Some(root.as_str()));
        let stop = Request::Stop { now: false };
        assert_eq!(ask(&place, &stop).unwrap(), None);
        let server = Server::open(&place, &Desk::new("r")).unwrap();
        let taken = Reply::Taken {
            run: "r".to_owned(),
        };
        assert_eq!(ask(&place, &stop).unwrap(), Some(taken.clone()));
        // Somebody who says nothing keeps nobody else waiting.
        let socket = place.found().next().unwrap();
        let _silent = UnixStream::connect(socket).unwrap();
        let refused = |line: &str| {
            let mut stream = UnixStream::connect(socket).unwrap();
            writeln!(stream, "{line}").unwrap();
            let mut reply = String::new();
            BufReader::new(stream).read_line(&mut reply).unwrap();
            reply.contains("not a request")
        };
        assert!(refused(r#"{"do":"run","command":"reboot"}"#));
        assert!(refused(r#"{"do":"stop","path":"/"}"#));
        assert!(refused(&"x".repeat(60_000)));
        drop(server);
        assert_eq!(ask(&place, &stop).unwrap(), None);
        assert!(!socket.exists());
        // What a killed run left is no obstacle.
        drop(std::os::unix::net::UnixListener::bind(socket).unwrap());
        let server = Server::open(&place, &Desk::new("r")).unwrap();
        assert_eq!(ask(&place, &stop).unwrap(), Some(taken.clone()));
        drop(server);
        // At a socket that is somebody else's, two may answer one after the other.
        let listener = bind(socket).unwrap();
        for _ in 0..2 {
            let listener = listener.try_clone().unwrap();
            let _server = Server::at(listener, &Desk::new("r")).unwrap();
            assert_eq!(ask(&place, &stop).unwrap(), Some(taken.clone()));
        }
        assert!(socket.exists());
    }
}
