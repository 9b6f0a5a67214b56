//! One GET of the server's monitoring port, which tells what the protocol does not.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Largest answer read, in bytes.
const ANSWER_BYTES: u64 = 1024 * 1024;

/// The body of `http://<address><path>`, whatever its status; an error says why there is none.
pub(crate) async fn get(address: Option<&str>, path: &str, patience: Duration) -> Result<Vec<u8>, String> {
    let address = address.ok_or_else(|| "no monitoring address is set".to_owned())?;
    let answer = tokio::time::timeout(patience, fetch(address, path)).await;
    let answer = answer.map_err(|_| format!("{address}: timed out"))?.map_err(|error| format!("{address}: {error}"))?;
    let head = answer.windows(4).position(|window| window == b"\r\n\r\n");
    let body = head.and_then(|at| answer.get(at + 4..)).ok_or_else(|| "not an HTTP answer".to_owned())?;
    Ok(body.to_vec())
}

async fn fetch(address: &str, path: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES).read_to_end(&mut answer).await?;
    Ok(answer)
}
