# The last to leave: reads "+<process group>" and "-<process group>" lines from `ferry` and, when that pipe ends because
# `ferry` itself died (kill -9, out of memory), stops every group that is still listed: TERM, up to 10 seconds, KILL.
# A plain shell, so that it costs next to nothing and works for commands that know nothing of Ferry.
groups=" "
while read -r line; do
  group=${line#?}
  case $line in
    +*) groups="$groups$group " ;;
    -*) case $groups in *" $group "*) groups="${groups%% "$group" *} ${groups#* "$group" }" ;; esac ;;
  esac
done

left() {
  for group in $groups; do kill -s 0 -- "-$group" 2>/dev/null && return 0; done
  return 1
}

for signal in TERM KILL; do
  for group in $groups; do kill -s "$signal" -- "-$group" 2>/dev/null; done
  tenths=0
  while [ "$tenths" -lt 100 ] && left; do
    sleep 0.1
    tenths=$((tenths + 1))
  done
done
exit 0
