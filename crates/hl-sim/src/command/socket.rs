//! The socket at which programs of a node ask. It takes one request a connection, of a
//! bounded length, in bounded time, from root of the node alone.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::exchange::{ANSWER_LIMIT, CommandReply, CommandRequest, REQUEST_LIMIT};
use super::node::{LIMIT, Node};
use super::run::run;
use crate::machine::Sim;
use crate::snippets;

/// How many commands of a node run at once.
const AT_ONCE: usize = 16;
/// How long a request may take to arrive, and an answer to be taken.
const TRANSFER: Duration = Duration::from_secs(10);
/// Beyond the limit of commands, when one hangs for another reason.
const GRACE: Duration = Duration::from_mins(1);

/// The command line of one node.
#[derive(Clone)]
pub struct CommandLine {
    pub(crate) sim: Arc<Sim>,
    pub(crate) node: String,
    pub(crate) runtime: Handle,
}

impl std::fmt::Debug for CommandLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CommandLine")
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

impl CommandLine {
    /// The node.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Its number among guests, below all VMIDs: the first node is 1. Its system runs
    /// under this number, and [`crate::Guests`] reads its files by it.
    pub fn number(&self) -> u32 {
        snippets::number(&self.sim.world(), &self.node).unwrap_or(0)
    }

    /// Answers at a socket, as long as the simulator runs.
    ///
    /// # Errors
    /// The socket cannot be used.
    pub fn serve(&self, listener: std::os::unix::net::UnixListener) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let _inside = self.runtime.enter();
        let listener = UnixListener::from_std(listener)?;
        self.runtime.spawn(accept(listener, self.clone()));
        Ok(())
    }

    /// Runs one command line.
    pub fn run(&self, request: &CommandRequest) -> CommandReply {
        let node = Node {
            sim: &self.sim,
            name: &self.node,
            cwd: &request.cwd,
        };
        run(&node, request)
    }

    /// Says that the node's system runs: its files are made those that the world knows,
    /// and from then on the world has what is in them.
    ///
    /// # Errors
    /// The system does not do what it is asked for, in one line.
    pub fn booted(&self) -> Result<(), String> {
        snippets::restore(&self.sim, &self.node)
    }
}

async fn accept(listener: UnixListener, line: CommandLine) {
    let free = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let Ok(permit) = Arc::clone(&free).try_acquire_owned() else {
            let reply = CommandReply::failed("too many commands run at once");
            // Its buffer takes so few bytes; who does not read them loses them.
            stream.try_write(&text_of(&reply)).ok();
            continue;
        };
        let line = line.clone();
        tokio::spawn(async move {
            converse(stream, line).await;
            drop(permit);
        });
    }
}

async fn converse(mut stream: UnixStream, line: CommandLine) {
    let root = stream.peer_cred().is_ok_and(|peer| peer.uid() == 0);
    let reply = match timeout(TRANSFER, request(&mut stream)).await {
        Err(_) => CommandReply::failed("the request did not arrive in time"),
        Ok(Err(text)) => CommandReply::failed(text),
        Ok(Ok(_)) if !root => CommandReply::failed("please run as root"),
        Ok(Ok(request)) => {
            let worker = tokio::task::spawn_blocking(move || line.run(&request));
            match timeout(LIMIT + GRACE, worker).await {
                Ok(Ok(reply)) => reply,
                Ok(Err(error)) => CommandReply::failed(format!("the simulator failed: {error}")),
                Err(_) => CommandReply::failed(format!("the command did not end in {LIMIT:?}")),
            }
        }
    };
    let mut text = text_of(&reply);
    if text.len() > ANSWER_LIMIT {
        text = text_of(&CommandReply::failed("the answer is too long"));
    }
    let answer = async {
        stream.write_all(&text).await?;
        stream.shutdown().await
    };
    // Who does not take it in time goes without.
    timeout(TRANSFER, answer).await.ok();
}

async fn request(stream: &mut UnixStream) -> Result<CommandRequest, String> {
    let most = u64::try_from(REQUEST_LIMIT).unwrap_or(u64::MAX) + 1;
    let mut text = Vec::new();
    let read = stream.take(most).read_to_end(&mut text).await;
    read.map_err(|error| format!("the request cannot be read: {error}"))?;
    if text.len() > REQUEST_LIMIT {
        return Err("the request is too long".to_owned());
    }
    serde_json::from_slice(&text).map_err(|error| format!("no request: {error}"))
}

fn text_of(reply: &CommandReply) -> Vec<u8> {
    serde_json::to_vec(reply).unwrap_or_default()
}
