import { Menu } from "@base-ui/react/menu";
import { Link } from "@tanstack/react-router";
import {
  Check,
  FolderOpen,
  Gauge,
  Gem,
  LogOut,
  MessageCircle,
  Moon,
  Radio,
  Settings,
  Sun,
  SunMoon,
  UserRound,
  Users,
} from "lucide-react";
import { type ReactElement, type ReactNode, useRef } from "react";
import { useTranslation } from "react-i18next";
import { useSession } from "@/api/session";
import { LANGUAGES, setLanguage } from "@/i18n";
import { useLang } from "@/i18n/useLang";
import { setTheme, type Theme, usePrefs } from "@/lib/prefs";
import { Avatar } from "@/ui/avatar";
import { useSignOut } from "./useSignOut";

const item =
  "flex h-9 w-full items-center gap-3 rounded-sm px-2.5 text-[15px] outline-none data-[highlighted]:bg-melt-wash [&_svg]:size-[18px] [&_svg]:text-soft";

const THEMES: { value: Theme; icon: ReactNode }[] = [
  { value: "system", icon: <SunMoon /> },
  { value: "light", icon: <Sun /> },
  { value: "dark", icon: <Moon /> },
];

export function UserMenu() {
  const { t } = useTranslation();
  const user = useSession((session) => session.user);
  const signOut = useSignOut();
  // The popup stays inside the header's landmark.
  const place = useRef<HTMLDivElement>(null);
  return (
    <Menu.Root modal={false}>
      <Menu.Trigger
        aria-label={user ? t("menu.of", { name: user.display_name }) : t("menu.settings")}
        data-testid="user-menu"
        className="grid size-10 place-items-center rounded-full text-soft hover:bg-raised hover:text-text"
      >
        {user ? (
          <Avatar name={user.display_name} username={user.username} url={user.avatar_url} size={34} />
        ) : (
          <Settings className="size-5" />
        )}
      </Menu.Trigger>
      <div ref={place} className="contents" />
      <Menu.Portal container={place}>
        <Menu.Positioner sideOffset={8} align="end" className="z-50">
          <Menu.Popup className="popup w-64 p-1.5">
            {user && (
              <>
                <div className="px-2.5 pt-2 pb-2.5">
                  <p className="truncate font-semibold">{user.display_name}</p>
                  <p className="truncate text-faint text-sm">
                    {t("channel.handle", { username: user.username })}
                  </p>
                </div>
                <Menu.Separator className="my-1 h-px bg-line" />
                <Place
                  to={<Link to="/c/$username" params={{ username: user.username }} />}
                  icon={<UserRound />}
                >
                  {t("menu.channel")}
                </Place>
                <Place to={<Link to="/studio" />} icon={<Radio />}>
                  {t("nav.studio")}
                </Place>
                <Place to={<Link to="/messages" />} icon={<MessageCircle />}>
                  {t("rooms.title")}
                </Place>
                <Place to={<Link to="/friends" />} icon={<Users />}>
                  {t("friends.title")}
                </Place>
                <Place to={<Link to="/files" />} icon={<FolderOpen />}>
                  {t("files.title")}
                </Place>
                <Place to={<Link to="/plans" />} icon={<Gem />}>
                  {t("pay.plans")}
                </Place>
                {user.role !== "user" && (
                  <Place to={<Link to="/admin" />} icon={<Gauge />}>
                    {t("admin.nav")}
                  </Place>
                )}
                <Place to={<Link to="/settings" />} icon={<Settings />}>
                  {t("nav.settings")}
                </Place>
                <Menu.Separator className="my-1 h-px bg-line" />
              </>
            )}
            <Choices />
            {user && (
              <>
                <Menu.Separator className="my-1 h-px bg-line" />
                <Menu.Item className={item} onClick={signOut} data-testid="sign-out">
                  <LogOut />
                  {t("menu.sign_out")}
                </Menu.Item>
              </>
            )}
          </Menu.Popup>
        </Menu.Positioner>
      </Menu.Portal>
    </Menu.Root>
  );
}

/** A page of the member's. The staff's pages have a navigation of their own. */
function Place({ to, icon, children }: { to: ReactElement; icon: ReactNode; children: ReactNode }) {
  return (
    <Menu.LinkItem closeOnClick render={to} className={item}>
      {icon}
      {children}
    </Menu.LinkItem>
  );
}

function Choices() {
  const { t } = useTranslation();
  const lang = useLang();
  const theme = usePrefs((prefs) => prefs.theme);
  return (
    <>
      <Menu.RadioGroup value={theme} onValueChange={(value) => setTheme(value as Theme)}>
        <Menu.Group>
          <Menu.GroupLabel className="px-2.5 pt-1 pb-0.5 font-semibold text-faint text-xs">
            {t("theme.label")}
          </Menu.GroupLabel>
          {THEMES.map(({ value, icon }) => (
            <Menu.RadioItem key={value} value={value} className={item}>
              {icon}
              <span className="flex-1">{t(`theme.${value}`)}</span>
              <Menu.RadioItemIndicator>
                <Check className="!text-melt" />
              </Menu.RadioItemIndicator>
            </Menu.RadioItem>
          ))}
        </Menu.Group>
      </Menu.RadioGroup>
      <Menu.Separator className="my-1 h-px bg-line" />
      <Menu.RadioGroup value={lang} onValueChange={(value) => void setLanguage(value as typeof lang)}>
        <Menu.Group>
          <Menu.GroupLabel className="px-2.5 pt-1 pb-0.5 font-semibold text-faint text-xs">
            {t("language.label")}
          </Menu.GroupLabel>
          {LANGUAGES.map((value) => (
            <Menu.RadioItem
              key={value}
              value={value}
              className={item}
              lang={value}
              data-testid={`lang-${value}`}
            >
              <span className="flex-1">{t(`language.${value}`)}</span>
              <Menu.RadioItemIndicator>
                <Check className="!text-melt" />
              </Menu.RadioItemIndicator>
            </Menu.RadioItem>
          ))}
        </Menu.Group>
      </Menu.RadioGroup>
    </>
  );
}
