import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { newQueryClient } from "@/api/queries";
import { session, useSession } from "@/api/session";
import { startI18n } from "@/i18n";
import { Toasts } from "@/ui/toast";
import { newRouter } from "./router";
import "./styles/app.css";

const queryClient = newQueryClient();
const router = newRouter(queryClient);

// A page from before a new version was installed asks for files that are gone: load the new one, once.
window.addEventListener("vite:preloadError", () => {
  const last = Number(sessionStorage.getItem("rillcast.reloaded") ?? 0);
  if (Date.now() - last < 30_000) return;
  sessionStorage.setItem("rillcast.reloaded", String(Date.now()));
  window.location.reload();
});

const place = document.getElementById("root");
if (!place) throw new Error("index.html has no #root");

await startI18n();
// What was asked for a visitor, because it took too long to find out who is here, is asked again for the member.
useSession.subscribe((now, before) => {
  if (before.status === "anonymous" && now.status === "signed-in") void queryClient.invalidateQueries();
});
void session.start();
createRoot(place).render(
  <StrictMode>
    <QueryClientProvider client={queryClient}>
      <Toasts>
        <RouterProvider router={router} />
      </Toasts>
    </QueryClientProvider>
  </StrictMode>,
);
