/// <reference types="vitest/config" />
import { fileURLToPath } from "node:url";
import tailwind from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// In development everything the server owns is passed on to it (or to dev/mock.mjs).
const server = process.env.RILLCAST_URL ?? "http://127.0.0.1:8080";
const passed = ["/api", "/live", "/vod", "^/clip/[^/]+/", "/media", "/avatars", "/thumb"];

export default defineConfig({
  plugins: [react(), tailwind()],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  build: {
    target: "es2022",
    // A data: font or script would need a wider content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
  },
  server: {
    proxy: {
      ...Object.fromEntries(passed.map((path) => [path, { target: server }])),
      "/socket.io": { target: server, ws: true },
    },
  },
  test: {
    environment: "happy-dom",
    include: ["src/**/*.test.{ts,tsx}"],
    restoreMocks: true,
  },
});
