//! Clients for addresses that members gave: push services, and servers of their own.

use std::time::Duration;

use kit::outward::{Outward, Refused};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};

/// A client that goes to the addresses the host has now, and nowhere else: not where a redirect or a proxy would lead, and in the
/// clear only within the operator's own networks. `wait` is the longest a request may take, its answer included.
pub(crate) async fn client(outward: &Outward, url: &Url, wait: Duration) -> Result<Client, Refused> {
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        return Err(Refused::NotPublic);
    };
    let addrs = outward.resolve(host, port).await?;
    if url.scheme() != "https" && !(url.scheme() == "http" && outward.may_be_plain(&addrs)) {
        return Err(Refused::NotPublic);
    }
    Client::builder()
        .timeout(wait)
        .redirect(Policy::none())
        .no_proxy()
        .resolve_to_addrs(host, &addrs)
        .build()
        .map_err(|_| Refused::Unknown)
}
