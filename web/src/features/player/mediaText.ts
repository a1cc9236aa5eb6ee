// The player controls' own words in Vietnamese; media-chrome brings English.

import { En } from "media-chrome/dist/lang/en.js";
import { addTranslation } from "media-chrome/dist/utils/i18n.js";

let isStarted = false;

const vi: Record<keyof typeof En, string> = {
  ...En,
  "Start airplay": "Bật AirPlay",
  "Stop airplay": "Tắt AirPlay",
  Audio: "Âm thanh",
  Captions: "Phụ đề",
  "Enable captions": "Bật phụ đề",
  "Disable captions": "Tắt phụ đề",
  "Enter fullscreen mode": "Toàn màn hình",
  "Exit fullscreen mode": "Thoát toàn màn hình",
  Mute: "Tắt tiếng",
  Unmute: "Bật tiếng",
  Loop: "Lặp lại",
  "Enter picture in picture mode": "Bật hình trong hình",
  "Exit picture in picture mode": "Tắt hình trong hình",
  Play: "Phát",
  Pause: "Tạm dừng",
  "Playback rate": "Tốc độ phát",
  "Playback rate {playbackRate}": "Tốc độ phát {playbackRate}",
  Quality: "Chất lượng",
  Settings: "Cài đặt",
  Auto: "Tự động",
  "audio player": "trình phát âm thanh",
  "video player": "trình phát video",
  volume: "âm lượng",
  seek: "tua",
  "playback time": "thời gian phát",
  "media loading": "đang tải",
  settings: "cài đặt",
  quality: "chất lượng",
  play: "phát",
  pause: "tạm dừng",
  mute: "tắt tiếng",
  unmute: "bật tiếng",
  live: "trực tiếp",
  Off: "Tắt",
  "enter fullscreen mode": "toàn màn hình",
  "exit fullscreen mode": "thoát toàn màn hình",
  "enter picture in picture mode": "bật hình trong hình",
  "exit picture in picture mode": "tắt hình trong hình",
  "seek to live": "về trực tiếp",
  "playing live": "đang phát trực tiếp",
  hour: "giờ",
  hours: "giờ",
  minute: "phút",
  minutes: "phút",
  second: "giây",
  seconds: "giây",
  "{time} remaining": "còn {time}",
  "{currentTime} of {totalTime}": "{currentTime} trên {totalTime}",
  "video not loaded, unknown time.": "video chưa tải, chưa biết thời lượng.",
};

export function startMediaTranslations(): void {
  if (isStarted) return;
  isStarted = true;
  addTranslation("vi", vi as never);
}
