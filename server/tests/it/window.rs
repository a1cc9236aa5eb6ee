//! The chat without the page around it, and a channel's own emote in it.

use testkit::stack::Plan;

use crate::EXE;
use crate::browser::script_with;

/// Opened, spoken in, brought back, laid over a picture; an emote made in the studio, used and taken away.
#[tokio::test]
async fn the_chat_in_a_window_of_its_own() {
    let stack = Plan::quick(EXE).await.set("transcoder.ladder", "none").start().await;
    for name in ["popout", "emotes"] {
        let measured = script_with(&stack, name, &[]).await;
        println!("measured: {measured}");
    }
    stack.stop().await;
}
