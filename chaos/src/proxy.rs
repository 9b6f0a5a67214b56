//! A TCP proxy between two parts, whose weather can be changed: latency, loss, silence in one or both directions, reset.
//!
//! What it holds back is delivered when the weather clears, as TCP would retransmit it; a connection opened meanwhile is
//! taken and gets nowhere.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Bytes read at once.
const CHUNK: usize = 64 * 1024;
/// How long a lost segment takes to be sent again: the minimum of Linux's retransmission timer (RFC 6298 asks for 1 s).
const RETRANSMISSION: Duration = Duration::from_millis(200);

/// What happens to bytes on their way in one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flow {
    /// Nothing passes.
    pub silent: bool,
    /// Each read is delayed by this, and by up to half as much again.
    pub latency: Duration,
    /// Of a thousand reads, how many wait for a retransmission.
    pub lost: u16,
}

/// Both directions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Weather {
    pub to_server: Flow,
    pub to_client: Flow,
}

impl Weather {
    #[must_use]
    pub const fn both(flow: Flow) -> Self {
        Self { to_server: flow, to_client: flow }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Conditions {
    weather: Weather,
    /// Connections made before this changed are reset.
    generation: u64,
}

/// A listening proxy; dropping it cuts every connection.
pub struct Proxy {
    address: SocketAddr,
    conditions: Arc<watch::Sender<Conditions>>,
    touched: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free loopback port and passes everything on to `upstream`, which need not be there yet.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(upstream: SocketAddr, seed: u64) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let conditions = Arc::new(watch::Sender::new(Conditions::default()));
        let touched = Arc::new(AtomicU64::new(0));
        let link = Link { upstream, conditions: Arc::clone(&conditions), touched: Arc::clone(&touched) };
        let accepting = tokio::spawn(accept(listener, link, seed));
        Ok(Self { address, conditions, touched, accepting })
    }

    /// Where clients connect.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the weather for the connections that are open and those to come.
    pub fn set(&self, weather: Weather) {
        self.conditions.send_modify(|now| now.weather = weather);
    }

    /// Resets (RST, not FIN) every open connection.
    pub fn reset(&self) {
        self.conditions.send_modify(|now| now.generation += 1);
    }

    /// Reads that were delayed or held back and connections that were reset so far: whether bad weather met anybody.
    #[must_use]
    pub fn touched(&self) -> u64 {
        self.touched.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.reset();
    }
}

#[derive(Clone)]
struct Link {
    upstream: SocketAddr,
    conditions: Arc<watch::Sender<Conditions>>,
    touched: Arc<AtomicU64>,
}

async fn accept(listener: TcpListener, link: Link, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    // An accept fails when the client is already gone; the next one may not be.
    loop {
        if let Ok((client, _)) = listener.accept().await {
            tokio::spawn(carry(client, link.clone(), random.random()));
        }
    }
}

/// Sees one connection through, from its opening to its end or reset.
async fn carry(client: TcpStream, link: Link, seed: u64) {
    let mut conditions = link.conditions.subscribe();
    let born = conditions.borrow().generation;
    let server = tokio::select! {
        () = reset(&mut conditions, born) => return link.cut(&[&client]),
        server = connect(&link) => server,
    };
    let Ok(server) = server else { return };
    let _ = (server.set_nodelay(true), client.set_nodelay(true));
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let up = Pump::new(&link, seed, |weather| weather.to_server);
    let down = Pump::new(&link, !seed, |weather| weather.to_client);
    let both = async {
        tokio::try_join!(up.run(&mut from_client, &mut to_server), down.run(&mut from_server, &mut to_client))
    };
    let is_cut = tokio::select! {
        () = reset(&mut conditions, born) => true,
        _ = both => false,
    };
    if is_cut {
        link.cut(&[from_client.as_ref(), from_server.as_ref()]);
        // Dropped as they are, they would say goodbye first.
        to_client.forget();
        to_server.forget();
    }
}

async fn connect(link: &Link) -> io::Result<TcpStream> {
    let clear = link.conditions.subscribe().wait_for(|now| !now.weather.to_server.silent).await.is_ok();
    if clear { TcpStream::connect(link.upstream).await } else { Err(io::ErrorKind::BrokenPipe.into()) }
}

async fn reset(conditions: &mut watch::Receiver<Conditions>, born: u64) {
    let _ = conditions.wait_for(|now| now.generation != born).await;
}

impl Link {
    /// Their sockets close with RST when they are dropped.
    fn cut(&self, streams: &[&TcpStream]) {
        self.touched.fetch_add(1, Ordering::Relaxed);
        for stream in streams {
            let _ = stream.set_zero_linger();
        }
    }
}

/// One direction of one connection.
struct Pump {
    conditions: watch::Receiver<Conditions>,
    touched: Arc<AtomicU64>,
    random: StdRng,
    flow: fn(&Weather) -> Flow,
}

impl Pump {
    fn new(link: &Link, seed: u64, flow: fn(&Weather) -> Flow) -> Self {
        let (conditions, touched) = (link.conditions.subscribe(), Arc::clone(&link.touched));
        Self { conditions, touched, random: StdRng::seed_from_u64(seed), flow }
    }

    async fn run(mut self, from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf) -> io::Result<()> {
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = from.read(&mut buffer).await?;
            self.hold().await;
            if read == 0 {
                return to.shutdown().await;
            }
            to.write_all(&buffer[..read]).await?;
        }
    }

    /// Waits as long as the weather says.
    async fn hold(&mut self) {
        let mut flow = (self.flow)(&self.conditions.borrow().weather);
        if flow.silent {
            self.touched.fetch_add(1, Ordering::Relaxed);
            let direction = self.flow;
            if let Ok(cleared) = self.conditions.wait_for(|now| !direction(&now.weather).silent).await {
                flow = direction(&cleared.weather);
            }
        }
        let mut delay = flow.latency.mul_f64(self.random.random_range(1.0..1.5));
        if self.random.random_ratio(u32::from(flow.lost.min(1000)), 1000) {
            delay += RETRANSMISSION;
        }
        if !delay.is_zero() {
            self.touched.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(delay).await;
        }
    }
}

#[cfg(test)]
mod tests;
