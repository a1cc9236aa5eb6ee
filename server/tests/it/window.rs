//! The chat without the page around it.

use testkit::stack::Plan;

use crate::EXE;
use crate::browser::script_with;

/// Opened, spoken in, brought back, laid over a picture.
#[tokio::test]
async fn the_chat_in_a_window_of_its_own() {
    let stack = Plan::quick(EXE).await.set("transcoder.ladder", "none").start().await;
    let measured = script_with(&stack, "popout", &[]).await;
    println!("measured: {measured}");
    stack.stop().await;
}
