/** Something that happened to a file that is followed, or on the way to the database. */
export interface FollowEvent {
  readonly kind: FollowEventKind
  /** The file's path, or the pattern that no file has; null if it is about all of them. */
  readonly file: string | null
  /** What happened, for people: without the file's name. */
  readonly message: string
}

/**
 * | kind | |
 * |---|---|
 * | `begun`, `resumed` | a file is followed: from its beginning, or from where it was |
 * | `renamed` | a followed file has another name now; told once for each file |
 * | `truncated` | its bytes are not those that were read: it begins again |
 * | `gone` | a file that was renamed out of the names, or deleted, has been read to its end |
 * | `waiting` | another process follows the file: this one takes it when that one ends |
 * | `lost` | another process has taken over the file: what was not written is left to it |
 * | `unreadable` | a file cannot be opened or is in no format that is read |
 * | `absent` | there is no file of this name, or it is a folder; told once, at the beginning |
 * | `retrying` | the database cannot be reached, or refused what may pass: it is tried again |
 * | `recovered` | it answers again, after a failure that was told |
 */
export type FollowEventKind =
  'begun' | 'resumed' | 'renamed' | 'truncated' | 'gone' | 'waiting' | 'lost' | 'unreadable' | 'absent' | 'retrying' | 'recovered'
