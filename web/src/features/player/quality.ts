// Which rendition is meant by a choice. Pure. A choice outlives a stream: "480p" of yesterday is the nearest of today.

/** `auto`, `audio`, or a picture such as `480p` or `720p60`. */
export type QualityChoice = string;

export const AUTO: QualityChoice = "auto";
export const AUDIO_ONLY: QualityChoice = "audio";

export type Quality = {
  id: QualityChoice;
  /** Place in hls.js's list; -1 for sound alone, which has no place there. */
  index: number;
  height: number;
  bitrate: number;
};

/** What is needed of an hls.js level. */
export type LevelLike = { height: number; width: number; bitrate: number; frameRate: number };

/** Slower than this a picture's rate is not part of its name. */
const FAST_FPS = 48;

export function idOf({ height, frameRate }: Pick<LevelLike, "height" | "frameRate">): QualityChoice {
  if (height <= 0) return "source";
  return frameRate >= FAST_FPS ? `${height}p${Math.round(frameRate)}` : `${height}p`;
}

/** The list a person chooses from: best first, one entry per name. */
export function listOf(levels: readonly LevelLike[], hasAudioOnly: boolean): Quality[] {
  const all = levels
    .map((level, index) => ({ id: idOf(level), index, height: level.height, bitrate: level.bitrate }))
    .sort((a, b) => b.height - a.height || b.bitrate - a.bitrate);
  const seen = new Set<string>();
  const list = all.filter(({ id }) => !seen.has(id) && seen.add(id));
  return hasAudioOnly ? [...list, { id: AUDIO_ONLY, index: -1, height: 0, bitrate: 0 }] : list;
}

/** The entry a choice stands for: itself, else the best that is no taller, else the smallest. Null leaves it to the player. */
export function find(list: readonly Quality[], choice: QualityChoice): Quality | null {
  if (choice === AUTO) return null;
  const exact = list.find(({ id }) => id === choice);
  if (exact) return exact;
  const wanted = Number.parseInt(choice, 10);
  if (!Number.isFinite(wanted)) return null;
  const pictures = list.filter(({ id }) => id !== AUDIO_ONLY);
  return pictures.find(({ height }) => height <= wanted) ?? pictures.at(-1) ?? null;
}
