//! Addresses that members give for something to be sent to. Judged when they are given; judged again, and pinned, whenever something
//! is sent (`jobs`).

use http::Uri;
use kit::outward::Outward;

use crate::state::App;

const ADDRESS_BYTES_MAX: usize = 1_024;

/// Whether something may be sent there: https, or plain http within the operator's own networks, and on the public internet.
pub(crate) async fn is_reachable(app: &App, endpoint: &str) -> bool {
    if endpoint.len() > ADDRESS_BYTES_MAX || !endpoint.bytes().all(|byte| byte.is_ascii_graphic()) {
        return false;
    }
    let Ok(uri) = endpoint.parse::<Uri>() else { return false };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return false };
    // Credentials in an address are for other purposes.
    if authority.as_str().contains('@') {
        return false;
    }
    let port = match scheme {
        "https" => 443,
        "http" => 80,
        _ => return false,
    };
    let Ok(outward) = Outward::parse(&app.config.outward.allow) else { return false };
    match outward.resolve(authority.host(), authority.port_u16().unwrap_or(port)).await {
        Ok(addrs) => scheme == "https" || outward.may_be_plain(&addrs),
        Err(_) => false,
    }
}
