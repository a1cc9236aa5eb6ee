//! Somebody guesses stream keys as fast as they can (B7): the answers tell nothing, neither by words nor by time, and nobody
//! else notices.

use std::time::{Duration, Instant};

use futures::future::join_all;
use testkit::rtmp::{Encoder, Manners, Status};

use crate::hostile::Bystander;
use crate::support::{KEY, Rig};

/// The answer to one guess, and how long it took from the question.
async fn guess(rig: &Rig, key: &str) -> (Status, Duration) {
    let mut encoder = Encoder::connect(rig.rtmp, Manners::obs(key)).await.expect("connects");
    let asked = Instant::now();
    encoder.say_publish().await.expect("sends");
    let status = encoder.next_status().await.expect("an answer").expect("words before it hangs up");
    let took = asked.elapsed();
    assert_eq!(encoder.next_status().await.expect("a close"), None, "and then it hangs up");
    (status, took)
}

/// How sure one may be that two samples are of different things: the statistic of Welch's test.
fn welch(a: &[f64], b: &[f64]) -> f64 {
    let mean = |sample: &[f64]| sample.iter().sum::<f64>() / sample.len() as f64;
    let spread = |sample: &[f64]| {
        let mean = mean(sample);
        sample.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (sample.len() - 1) as f64 / sample.len() as f64
    };
    (mean(a) - mean(b)) / (spread(a) + spread(b)).sqrt()
}

#[tokio::test]
async fn every_wrong_key_gets_the_same_answer_after_a_time_that_tells_nothing() {
    let rig = Rig::start_with(|config| config.limits.publish_failures_per_ip_per_minute = 100_000).await;
    let long = "k".repeat(60_000);
    let (almost, more, padded, louder) =
        (&KEY[..KEY.len() - 1], format!("{KEY}x"), format!("{KEY}\0\0"), KEY.to_uppercase());
    let odd = [
        "wrong",
        almost,
        &more,
        &padded,
        &louder,
        &long,
        "",
        "ключ-от-эфира",
        "ａlices-secret-stream-key",
        "\u{202e}yek",
        "../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "' OR 1=1 --",
        "x\r\n2026-01-01T00:00:00Z INFO a line of the guesser's",
    ];
    let answers = join_all(odd.iter().map(|key| guess(&rig, key))).await;
    let expected = Status {
        code: "NetStream.Publish.BadName".to_owned(),
        description: "no channel answers to this stream key".to_owned(),
    };
    for (key, (status, took)) in odd.iter().zip(&answers) {
        assert_eq!(*status, expected, "{}", key.escape_debug());
        assert!((Duration::from_millis(190)..Duration::from_secs(4)).contains(took), "{took:?}");
    }
    // A wrong key and one that is right but for its last letter, by turns: means must not differ beyond chance (the limit is
    // crossed by chance once in ten thousand runs).
    let samples = join_all((0..600).map(|n| guess(&rig, if n % 2 == 0 { "alices-wrong--stream-key" } else { almost })));
    let times: Vec<f64> = samples.await.into_iter().map(|(_, took)| took.as_secs_f64()).collect();
    let (wrong, near): (Vec<_>, Vec<_>) = times.chunks(2).map(|pair| (pair[0], pair[1])).unzip();
    let t = welch(&wrong, &near);
    println!("B7: t = {t:.2} over {} pairs", wrong.len());
    assert!(t.abs() < 4.0, "t = {t}");
    assert!(rig.rows("SELECT * FROM streams").await.is_empty());
    rig.stop().await;
}

#[tokio::test]
async fn a_thousand_guesses_a_second_lock_their_address_and_nobody_on_air_notices() {
    let rig = Rig::start().await;
    let bystander = Bystander::start(&rig).await;
    let begun = Instant::now();
    let waves = join_all((0..3_u32).map(|wave| {
        let rig = &rig;
        async move {
            tokio::time::sleep(Duration::from_secs(wave.into())).await;
            let keys: Vec<String> = (0..1_000).map(|n| format!("guess-{wave}-{n}")).collect();
            join_all(keys.iter().map(|key| guess(rig, key))).await
        }
    }))
    .await;
    let answers: Vec<_> = waves.into_iter().flatten().collect();
    let slowest = answers.iter().map(|(_, took)| *took).max().expect("some");
    println!("B7: {} guesses in {:?}, the slowest answer after {slowest:?}", answers.len(), begun.elapsed());
    assert!(slowest < Duration::from_secs(4), "{slowest:?}");
    let locked = answers.iter().filter(|(status, _)| status.description.contains("too many failed attempts")).count();
    // Those who are being judged while the thirtieth fails are still told that they are wrong.
    assert!(locked > 1_900, "{locked} of {} were not even looked up", answers.len());
    // From a locked address the right key is no better than a wrong one: it would tell that it is right.
    let (right, wrong) = tokio::join!(guess(&rig, KEY), guess(&rig, "wrong"));
    assert_eq!(right.0, wrong.0);
    bystander.lost_nothing(&rig).await;
    rig.stop().await;
}
