"""One page that tells how good the imitation is, what it costs, and what changed; `gather`, then `render`."""
