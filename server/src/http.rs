//! The HTTP server of a process: accepts, bounds and drains connections around a router.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use kit::Stop;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tower::{Service, ServiceExt};

/// Open connections of one process.
const CONNECTIONS_MAX: usize = 20_000;
/// A client that needs longer for its request's head is not one of ours.
const HEAD_WAIT_MAX: Duration = Duration::from_secs(10);
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 32 * 1024;
const HEADERS_MAX: usize = 100;
/// Streams one HTTP/2 connection may have open.
const H2_STREAMS_MAX: u32 = 128;
/// Answers under way may finish for this long after the stop.
const DRAIN_WAIT_MAX: Duration = Duration::from_secs(4);

/// Serves until the stop, then lets answers under way finish.
pub async fn serve<S>(listener: TcpListener, service: S, stop: Stop) -> anyhow::Result<()>
where
    S: Service<http::Request<Body>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WAIT_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(H2_STREAMS_MAX)
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10));
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let graceful = GracefulShutdown::new();
    let tracker = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        let Some((socket, peer, slot)) = accepted else { continue };
        let _latency_hint = socket.set_nodelay(true);
        let service = service.clone().map_request(move |mut request: http::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(ConnectInfo::<SocketAddr>(peer));
            request.map(Body::new)
        });
        let connection = builder
            .serve_connection_with_upgrades(TokioIo::new(socket), TowerToHyperService::new(service))
            .into_owned();
        let connection = graceful.watch(connection);
        tracker.spawn(async move {
            // Clients vanish all the time; that is no event.
            let _ended = connection.await;
            drop(slot);
        });
    }
    drop(listener);
    tracker.close();
    // Upgraded sockets (WebSocket) are the chat role's to end.
    let _cut = tokio::time::timeout(DRAIN_WAIT_MAX, graceful.shutdown()).await;
    Ok(())
}

/// The next connection and its slot; `None` after a passing fault such as running out of descriptors.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(tokio::net::TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((socket, peer)) => Some((socket, peer, slot)),
        Err(error) => {
            tracing::warn!(%error, "cannot accept a connection");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}
