//! Waiting for a condition without guessing how long it takes.

/// Polls an async condition until it holds: `eventually!(Duration::from_secs(5), queue.len().await == 0)`.
///
/// Panics with the condition's text at the deadline. The condition is evaluated every 10 ms.
#[macro_export]
macro_rules! eventually {
    ($deadline:expr, $condition:expr) => {{
        let give_up = ::std::time::Instant::now() + $deadline;
        while !$condition {
            if ::std::time::Instant::now() > give_up {
                panic!("did not come true within {:?}: {}", $deadline, stringify!($condition));
            }
            ::tokio::time::sleep(::std::time::Duration::from_millis(10)).await;
        }
    }};
}
