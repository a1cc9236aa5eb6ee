// Two-factor sign-in as the server does it. Any six digits are right, 000000 is wrong; signing in with the password "code" asks for one.
const SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
const LETTERS = "23456789abcdefghijkmnpqrstuvwxyz";

/** Three corners and a scatter: as much of a QR code as a picture of the page needs. */
export function picture() {
  const size = 33;
  const squares = [];
  const corner = (x, y) => (x < 8 && y < 8) || (x >= size - 8 && y < 8) || (x < 8 && y >= size - 8);
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++)
      if (!corner(x, y) && (x * 7 + y * 13 + ((x * y) % 5)) % 3 === 0)
        squares.push(`M${x + 4} ${y + 4}h1v1h-1z`);
  for (const [x, y] of [
    [4, 4],
    [size - 3, 4],
    [4, size - 3],
  ])
    squares.push(`M${x} ${y}h7v7h-7zm1 1v5h5v-5zm1 1h3v3h-3z`);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 41 41" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h41v41H0z"/><path fill="#000" fill-rule="evenodd" d="${squares.join("")}"/></svg>`;
}

const fresh = () =>
  Array.from({ length: 10 }, (_, n) =>
    Array.from({ length: 3 }, (_, group) =>
      Array.from({ length: 4 }, (_, at) => LETTERS[(n * 11 + group * 7 + at * 5 + 3) % 32]).join(""),
    ).join("-"),
  );

export function twoFactor({ iso, problem, entered }) {
  const state = { is_on: false, since: null, recovery_codes_left: 0 };
  const isWrong = (code) => code.replace(/\s/g, "") === "000000";
  const wrongPassword = problem(403, "account.wrong-password", "that is not your password");
  const wrongCode = (status, code) => problem(status, code, "the code is wrong, or was used already");
  const refused = (body) => {
    if (body.password === "wrong") return wrongPassword;
    return isWrong(body.code) ? wrongCode(403, "two-factor.wrong-code") : null;
  };
  const routes = [
    ["GET", /^\/me\/two-factor$/, () => ({ body: state })],
    [
      "POST",
      /^\/me\/two-factor$/,
      (_, body) =>
        body.password === "wrong"
          ? wrongPassword
          : {
              body: {
                secret: SECRET,
                otpauth_url: `otpauth://totp/tv.example:linh_makes?secret=${SECRET}&issuer=tv.example`,
                qr_svg: picture(),
              },
            },
    ],
    [
      "POST",
      /^\/me\/two-factor\/confirm$/,
      (_, body) => {
        if (isWrong(body.code)) return wrongCode(403, "two-factor.wrong-code");
        Object.assign(state, { is_on: true, since: iso(), recovery_codes_left: 10 });
        return { body: { recovery_codes: fresh() } };
      },
    ],
    [
      "POST",
      /^\/me\/two-factor\/recovery-codes$/,
      (_, body) => {
        const no = refused(body);
        if (no) return no;
        state.recovery_codes_left = 10;
        return { body: { recovery_codes: fresh() } };
      },
    ],
    [
      "POST",
      /^\/me\/two-factor\/off$/,
      (_, body) => {
        const no = refused(body);
        if (no) return no;
        Object.assign(state, { is_on: false, since: null, recovery_codes_left: 0 });
        return { status: 204 };
      },
    ],
    [
      "POST",
      /^\/auth\/login\/second-step$/,
      (_, body) => {
        if (body.code === "111111") return problem(401, "auth.second-step-over", "begin again");
        if (isWrong(body.code)) return wrongCode(401, "auth.wrong-code");
        return entered();
      },
    ],
  ];
  const act = (what) => {
    if (what === "two-factor") Object.assign(state, { is_on: true, since: iso(3e6), recovery_codes_left: 2 });
    if (what === "two-factor-off")
      Object.assign(state, { is_on: false, since: null, recovery_codes_left: 0 });
  };
  return { routes, act };
}
