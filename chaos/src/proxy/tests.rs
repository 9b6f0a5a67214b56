#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Instant;

use super::*;

const SOON: Duration = Duration::from_secs(10);

/// An upstream that sends everything back, and a proxy before it.
async fn echo() -> (Proxy, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap(), 1).await.unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    let client = TcpStream::connect(proxy.address()).await.unwrap();
    (proxy, client)
}

async fn ask(client: &mut TcpStream, text: &[u8]) -> io::Result<Vec<u8>> {
    client.write_all(text).await?;
    let mut answer = vec![0; text.len()];
    client.read_exact(&mut answer).await?;
    Ok(answer)
}

fn silent() -> Flow {
    Flow { silent: true, ..Flow::default() }
}

#[tokio::test]
async fn clear_weather_changes_nothing() {
    let (proxy, mut client) = echo().await;
    assert_eq!(ask(&mut client, b"hello").await.unwrap(), b"hello");
    assert_eq!(proxy.touched(), 0);
}

#[tokio::test]
async fn latency_delays_both_ways() {
    let (proxy, mut client) = echo().await;
    let latency = Duration::from_millis(20);
    proxy.set(Weather::both(Flow { latency, ..Flow::default() }));
    let begun = Instant::now();
    assert_eq!(ask(&mut client, b"hello").await.unwrap(), b"hello");
    assert!(begun.elapsed() >= latency * 2, "{:?}", begun.elapsed());
    assert_eq!(proxy.touched(), 2);
}

#[tokio::test]
async fn a_partition_holds_back_and_delivers_when_it_ends() {
    let (proxy, mut client) = echo().await;
    // The connection to the server is made behind the client's back: it must be there before the partition is.
    ask(&mut client, b"hello").await.unwrap();
    for partition in
        [Weather { to_server: silent(), ..Weather::default() }, Weather { to_client: silent(), ..Weather::default() }]
    {
        let before = proxy.touched();
        proxy.set(partition);
        client.write_all(b"held back").await.unwrap();
        heimdex_testkit::eventually!(SOON, proxy.touched() > before);
        assert_eq!(client.try_read(&mut [0; 16]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        proxy.set(Weather::default());
        let mut answer = [0; 9];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"held back");
    }
}

#[tokio::test]
async fn a_connection_made_during_a_partition_works_afterwards() {
    let (proxy, _client) = echo().await;
    proxy.set(Weather::both(silent()));
    let mut late = TcpStream::connect(proxy.address()).await.unwrap();
    proxy.set(Weather::default());
    assert_eq!(ask(&mut late, b"late").await.unwrap(), b"late");
}

#[tokio::test]
async fn a_reset_ends_the_connections_that_are_open_and_only_those() {
    let (proxy, mut client) = echo().await;
    ask(&mut client, b"hello").await.unwrap();
    proxy.reset();
    let error = client.read(&mut [0; 8]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(proxy.touched(), 1);
    let mut next = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(ask(&mut next, b"again").await.unwrap(), b"again");
}

#[tokio::test]
async fn lost_segments_come_later() {
    let (proxy, mut client) = echo().await;
    proxy.set(Weather { to_server: Flow { lost: 1000, ..Flow::default() }, ..Weather::default() });
    let begun = Instant::now();
    ask(&mut client, b"hello").await.unwrap();
    assert!(begun.elapsed() >= RETRANSMISSION && proxy.touched() == 1);
}
