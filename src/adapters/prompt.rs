//! The terminal as a file of lines, where no screen is taken.
#![expect(
    clippy::disallowed_methods,
    reason = "reading a terminal blocks, and must not keep the process alive"
)]

/// Waits for a line; empty at the end of the input, or when it cannot be read.
pub async fn line() -> String {
    let (tell, line) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().read_line(&mut line);
        tell.send(read.map(|_| line).unwrap_or_default())
    });
    line.await.unwrap_or_default()
}
