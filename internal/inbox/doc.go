// Package inbox is the channel inapp: each person's own notifications, which they see, read and
// archive. The row in notifications is the message; it has no delivery and no provider.
//
// # Counts
//
// Unread and Unseen are absolute. A notification that was read counts as seen, and an archived one
// counts as neither. Both are exact up to MaxCounted unread notifications: MaxCounted means that
// many or more, and Unseen then counts among the newest of these.
//
// # Ordering
//
// The changes of one person's inbox are serialized by an advisory lock, so that the counts in each
// inbox.updated event include all earlier changes, and the last event has the counts of the last
// change. The planner does not take the lock: the hub of package realtime reads the counts again
// after each event that may have changed them, and sends them in a frame of their own.
//
// # Reading
//
// Marking notifications as read appends notification.read for each, settles their delivered messages
// as read, and cancels messages for which no provider was called yet (read_in_app), in the same
// transaction. A message that a provider may have keeps its state and takes no fallback channel.
package inbox
