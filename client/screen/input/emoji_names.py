# ruff: noqa: E501, RUF001
"""Short names of emoji for tab completion, as used by most chat programs: `:tada` becomes the emoji. Pure."""

_TABLE = """
+1 👍  -1 👎  100 💯  alarm_clock ⏰  angry 😠  apple 🍎  beer 🍺  beers 🍻  bell 🔔  blush 😊  boom 💥  broken_heart 💔
bug 🐛  bulb 💡  cake 🍰  calendar 📅  cat 🐱  chart 📈  check ✅  clap 👏  clock 🕐  cloud ☁  coffee ☕  cold 🥶
computer 💻  confused 😕  construction 🚧  cookie 🍪  cool 😎  cry 😢  dancer 💃  dog 🐶  doughnut 🍩  down 👇  egg 🥚
eyes 👀  facepalm 🤦  fire 🔥  fish 🐟  flag 🚩  flushed 😳  folded_hands 🙏  fox 🦊  gear ⚙  ghost 👻  gift 🎁
grimacing 😬  grin 😁  hammer 🔨  handshake 🤝  heart ❤  heart_eyes 😍  hourglass ⏳  hug 🤗  hundred 💯  idea 💡
joy 😂  key 🔑  kiss 😘  laughing 😆  left 👈  link 🔗  lock 🔒  mag 🔍  mail 📧  mask 😷  memo 📝  moon 🌙  muscle 💪
neutral 😐  no 🚫  ok 👌  package 📦  party 🥳  penguin 🐧  phone 📞  pizza 🍕  plus ➕  point_up ☝  poop 💩  pray 🙏
pushpin 📌  question ❓  rabbit 🐰  rage 😡  rainbow 🌈  raised_hand ✋  recycle ♻  right 👉  robot 🤖  rocket 🚀
rofl 🤣  rose 🌹  sad 😞  salute 🫡  scream 😱  see_no_evil 🙈  ship 🚢  shrug 🤷  skull 💀  sleeping 😴  slight_smile 🙂
smile 😄  smirk 😏  snail 🐌  snake 🐍  snow ❄  sob 😭  sparkles ✨  star ⭐  stop 🛑  sun ☀  sunglasses 😎  sweat 😅
tada 🎉  tea 🍵  telescope 🔭  thinking 🤔  thumbsdown 👎  thumbsup 👍  tired 😫  tongue 😛  tree 🌳  trophy 🏆
turtle 🐢  umbrella ☔  unicorn 🦄  unlock 🔓  up 👆  upside_down 🙃  v ✌  warning ⚠  wave 👋  weary 😩  wink 😉
wizard 🧙  worried 😟  wrench 🔧  x ❌  yum 😋  zap ⚡  zzz 💤
"""
_words = _TABLE.split()

EMOJI: dict[str, str] = dict(zip(_words[::2], _words[1::2], strict=True))
