// What we advise people to set in the program that sends the stream.

/** The names are keys of `studio.obs_rows`; the values read the same in every language. */
export const OBS_ROWS = [
  { name: "encoder", value: "x264 veryfast / NVENC / VAAPI" },
  { name: "rate", value: "CBR" },
  { name: "keyframe", value: "2 s" },
  { name: "profile", value: "high" },
  { name: "bframes", value: "2" },
  { name: "audio", value: "AAC 160 kb/s, 48 kHz" },
  { name: "r1080p60", value: "6000 kb/s" },
  { name: "r1080p30", value: "4500 kb/s" },
  { name: "r720p30", value: "3000 kb/s" },
] as const;

/** A command that sends a file as if it were live. */
export function ffmpegCommand(rtmpUrl: string, key: string): string {
  return (
    "ffmpeg -re -i input.mp4 -c:v libx264 -preset veryfast -b:v 4500k -maxrate 4500k -bufsize 9000k " +
    "-g 60 -keyint_min 60 -sc_threshold 0 -bf 2 -pix_fmt yuv420p -c:a aac -b:a 160k -ar 48000 " +
    `-f flv "${rtmpUrl}/${key}"`
  );
}
