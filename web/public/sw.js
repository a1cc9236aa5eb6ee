// Notifications while no page is open (Web Push). It keeps nothing and answers no requests: the site works without it.
const words = {
  en: {
    stream_online: (name) => `${name} is live`,
    vod_ready: (name) => `A recording of ${name} is ready`,
    new_follower: (name) => `${name} follows you now`,
    room_invite: (name, _channel, room) => `${name} invites you to ${room}`,
    message: (name, _channel, room) => (room ? `${name} wrote in ${room}` : `${name} wrote to you`),
    mention: (name, channel) => `${name} mentioned you in the chat of ${channel}`,
  },
  vi: {
    stream_online: (name) => `${name} đang phát trực tiếp`,
    vod_ready: (name) => `Bản ghi của ${name} đã sẵn sàng`,
    new_follower: (name) => `${name} vừa theo dõi bạn`,
    room_invite: (name, _channel, room) => `${name} mời bạn vào ${room}`,
    message: (name, _channel, room) => (room ? `${name} đã nhắn trong ${room}` : `${name} đã nhắn cho bạn`),
    mention: (name, channel) => `${name} đã nhắc đến bạn trong khung chat của ${channel}`,
  },
};

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("push", (event) => {
  let told = {};
  try {
    told = event.data?.json() ?? {};
  } catch {
    // Browsers take a permission back from sites that show nothing.
  }
  const say = (words[navigator.language.slice(0, 2)] ?? words.en)[told.type];
  const title = say && told.name ? say(told.name, told.channel, told.detail) : (told.title ?? "Rillcast");
  event.waitUntil(
    self.registration.showNotification(title, {
      body: told.title && told.title !== title ? told.title : undefined,
      icon: "/favicon.svg",
      // What says the same takes the other's place, silently.
      tag: told.tag,
      data: { url: told.url ?? "/notifications" },
    }),
  );
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const url = new URL(event.notification.data?.url ?? "/", self.location.origin);
  // Only pages of this site, whatever a message says.
  const target = url.origin === self.location.origin ? url.href : self.location.origin;
  event.waitUntil(open(target));
});

async function open(url) {
  const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const page = pages.find((one) => one.url === url);
  await (page ? page.focus() : self.clients.openWindow(url));
}
