//! The numbers of each route, looked up by what a request already has: naming them anew for every answer costs more than
//! counting.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::{Method, StatusCode};
use metrics::{Counter, Histogram};

/// Of one route, method and status.
#[derive(Clone)]
pub(crate) struct Meter {
    requests: Counter,
    seconds: Histogram,
}

impl Meter {
    fn new(method: &'static str, route: &str, status: StatusCode) -> Self {
        let route = route.to_owned();
        Self {
            requests: metrics::counter!("rillcast_http_requests_total",
                "method" => method, "route" => route.clone(), "status" => status.as_u16().to_string()),
            seconds: metrics::histogram!("rillcast_http_request_seconds", "route" => route),
        }
    }

    pub(crate) fn note(&self, took: Duration) {
        self.requests.increment(1);
        self.seconds.record(took.as_secs_f64());
    }
}

type OfRoute = HashMap<(&'static str, StatusCode), Meter>;

/// Bounded by the routes there are: methods nobody has heard of are counted as one.
#[derive(Default)]
pub(crate) struct Meters {
    known: RwLock<HashMap<Arc<str>, OfRoute>>,
}

impl Meters {
    pub(crate) fn of(&self, method: &Method, route: &str, status: StatusCode) -> Meter {
        let method = name(method);
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(meter) = known.get(route).and_then(|of_route| of_route.get(&(method, status))) {
            return meter.clone();
        }
        drop(known);
        let meter = Meter::new(method, route, status);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.entry(route.into()).or_default().insert((method, status), meter.clone());
        meter
    }
}

fn name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invented_methods_do_not_fill_the_memory() {
        let meters = Meters::default();
        for number in 0..50 {
            let method = Method::from_bytes(format!("M{number}").as_bytes()).unwrap();
            meters.of(&method, "other", StatusCode::METHOD_NOT_ALLOWED).note(Duration::ZERO);
        }
        meters.of(&Method::GET, "other", StatusCode::METHOD_NOT_ALLOWED).note(Duration::ZERO);
        assert_eq!(meters.known.read().unwrap()["other"].len(), 2);
    }
}
