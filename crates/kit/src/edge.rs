//! What an edge (an `api` node without the stream) shows the node that owns one: that it is of this site, judges its viewers
//! itself, and asks once for all of them.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::seal;
use crate::secret::Secret;

/// Carries the pass.
pub const HEADER: HeaderName = HeaderName::from_static("x-rillcast-edge");
/// Carries the id of the stream an edge means when it asks by a channel's name: the one it has judged its viewers for.
pub const STREAM_HEADER: HeaderName = HeaderName::from_static("x-rillcast-stream");

/// The pass of this site's edges, made from the cluster's secret.
#[derive(Clone)]
pub struct EdgePass {
    header: HeaderValue,
    digest: [u8; 32],
}

impl EdgePass {
    pub fn new(cluster_secret: &Secret) -> Self {
        let text = hex::encode(seal::derive_key(cluster_secret, "edge"));
        let digest = Sha256::digest(text.as_bytes()).into();
        let mut header = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
        header.set_sensitive(true);
        Self { header, digest }
    }

    /// What an edge sends in [`HEADER`].
    pub fn header(&self) -> HeaderValue {
        self.header.clone()
    }

    /// Whether a request comes from an edge of this site.
    pub fn is_shown(&self, headers: &HeaderMap) -> bool {
        headers.get(HEADER).is_some_and(|shown| {
            let digest: [u8; 32] = Sha256::digest(shown.as_bytes()).into();
            self.digest.ct_eq(&digest).into()
        })
    }
}

impl std::fmt::Debug for EdgePass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EdgePass").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_nodes_with_the_clusters_secret_have_the_pass() {
        let (ours, theirs) = (EdgePass::new(&Secret::new("a")), EdgePass::new(&Secret::new("b")));
        let shown = |pass: &EdgePass| HeaderMap::from_iter([(HEADER, pass.header())]);
        assert!(ours.is_shown(&shown(&ours)));
        assert!(!ours.is_shown(&shown(&theirs)) && !ours.is_shown(&HeaderMap::new()));
    }
}
