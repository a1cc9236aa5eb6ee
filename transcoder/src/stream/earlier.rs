//! What a stream was before this node took it up: from the recording's rows, asked once, before the stream goes on.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use media::playlist::uri::{self, MediaFile};
use media::playlist::{SegmentLine, SegmentStart, SegmentTail};
use tokio::time::timeout;

use super::Shared;
use crate::origin::shelf::StreamInfo;

/// How long the stream's beginning here may wait for it.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// What the bucket has of a stream that is taken up again, as lines of its renditions' playlists. Nothing when Postgres is slow:
/// then playlists that begin with the stream begin here.
pub(crate) async fn lines_of(shared: &Shared, info: &StreamInfo) -> HashMap<String, Vec<SegmentLine>> {
    let ask = async {
        let mut conn = shared.pool.acquire().await.map_err(db::DbError::from)?;
        db::recordings::segments(&mut conn, info.vod_id).await
    };
    match timeout(WAIT_MAX, ask).await {
        Ok(Ok(rows)) => lines(&rows),
        Ok(Err(error)) => {
            tracing::warn!(%error, "what the stream was before is not known; it can be rewound to here only");
            HashMap::new()
        }
        Err(_) => HashMap::new(),
    }
}

/// Every rendition lists the same numbers from its first on; what it lacks is a gap.
fn lines(rows: &[db::recordings::Segment]) -> HashMap<String, Vec<SegmentLine>> {
    let mut steps: BTreeMap<i64, Vec<&db::recordings::Segment>> = BTreeMap::new();
    for row in rows {
        steps.entry(row.seq).or_default().push(row);
    }
    let names: BTreeSet<&str> = rows.iter().map(|row| row.rendition.as_str()).collect();
    let of = |name: &str| {
        let (mut lines, mut init, mut before) = (Vec::<SegmentLine>::new(), 0, None);
        for (seq, step) in &steps {
            let own = step.iter().find(|row| row.rendition == name);
            if own.is_none() && lines.is_empty() {
                continue;
            }
            let Some(shown) = own.or_else(|| step.iter().max_by_key(|row| row.duration_us)) else { continue };
            if let Some(own) = own {
                init = init_number(&own.init_key).unwrap_or(init);
            }
            let has_hole = before.is_some_and(|before| before + 1 != *seq);
            before = Some(*seq);
            lines.push(SegmentLine {
                start: SegmentStart {
                    msn: u64::try_from(*seq).unwrap_or(0),
                    program_date_time_ms: shown.program_at.timestamp_millis(),
                    init,
                    is_discontinuity: has_hole || step.iter().any(|row| row.is_discontinuity),
                    starts_at_us: own.and_then(|own| own.starts_at_us),
                },
                tail: SegmentTail {
                    duration_s: shown.duration_us as f64 / 1e6,
                    is_gap: own.is_none(),
                    iframe_len: own.and_then(|own| u64::try_from(own.iframe_bytes?).ok()),
                },
                parts: Vec::new(),
            });
        }
        lines
    };
    names.into_iter().map(|name| (name.to_owned(), of(name))).collect()
}

fn init_number(key: &str) -> Option<u32> {
    match uri::parse(key.rsplit('/').next()?) {
        Some(MediaFile::Init(number)) => Some(number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(rendition: &str, seq: i64) -> db::recordings::Segment {
        db::recordings::Segment {
            rendition: rendition.to_owned(),
            seq,
            is_discontinuity: false,
            is_independent: true,
            init_key: format!("vod/x/{rendition}/init3.mp4"),
            object_key: format!("vod/x/{rendition}/seg{seq}.m4s"),
            byte_size: 1,
            duration_us: 2_000_000,
            program_at: kit::clock::now(),
            starts_at_us: Some(seq * 2_000_000),
            iframe_bytes: Some(700),
        }
    }

    #[test]
    fn what_a_rendition_lacks_is_a_gap_and_what_all_lack_a_discontinuity() {
        let rows =
            [row("source", 0), row("source", 1), row("480p", 1), row("source", 2), row("source", 5), row("480p", 5)];
        let lines = lines(&rows);
        let told = |name: &str| -> Vec<(u64, bool, bool)> {
            let lines = lines[name].iter();
            lines.map(|line| (line.start.msn, line.tail.is_gap, line.start.is_discontinuity)).collect()
        };
        assert_eq!(told("source"), [(0, false, false), (1, false, false), (2, false, false), (5, false, true)]);
        assert_eq!(told("480p"), [(1, false, false), (2, true, false), (5, false, true)]);
        assert_eq!((lines["source"][3].start.init, lines["source"][3].tail.iframe_len), (3, Some(700)));
    }
}
