#!/bin/sh
# Installs or renews the detector: sudo sh install.sh [detect] [wyoming] [--prefix DIR] [--no-services]
#
# detect    the service that listens to the microphone (the default)
# wyoming   the service that listens for Home Assistant on port 10400
# --prefix  where to install (default: /opt/kwsembed)
# --no-services  only install; needs no root where the prefix needs none
#
# PYTHON names another interpreter than python3.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
prefix=/opt/kwsembed
parts=
services=yes
while [ $# -gt 0 ]; do
    case $1 in
        detect | wyoming) parts="$parts $1" ;;
        --prefix)
            [ $# -gt 1 ] || { echo "install.sh: --prefix needs a folder" >&2; exit 2; }
            prefix=$2
            shift
            ;;
        --no-services) services= ;;
        *)
            sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
            exit 2
            ;;
    esac
    shift
done
parts=${parts:-detect}
python=${PYTHON:-python3}

fail() {
    echo "install.sh: $1" >&2
    exit 2
}

command -v "$python" > /dev/null || fail "there is no $python"
case $prefix in
    /*) ;;
    *) fail "--prefix needs a whole path, not $prefix" ;;
esac
case $prefix in
    *[!A-Za-z0-9_./-]*) fail "--prefix may hold letters, digits, dots, dashes and underscores only" ;;
esac
if [ -n "$services" ]; then
    [ "$(id -u)" = 0 ] || fail "services need root: sudo sh install.sh $parts"
    command -v systemctl > /dev/null || fail "there is no systemd here; use --no-services"
fi

# What can run here at all? Wheels of interpreters for TensorFlow Lite do not exist for every system.
"$python" - << 'PY' || exit 2
import platform, struct, sys
machine, bits, version = platform.machine(), 8 * struct.calcsize("P"), sys.version_info[:2]
arm_32 = machine.startswith("arm") or (machine == "aarch64" and bits == 32)
name = "Python %d.%d" % version
if not (3, 11) <= version < (3, 14):
    sys.exit("install.sh: %s cannot run kwsembed; it takes 3.11 to 3.13" % name)
if machine == "armv6l":
    sys.exit("install.sh: there is no interpreter for this processor (armv6l); it takes a Pi 2 or later")
if arm_32 and version > (3, 11):
    sys.exit("install.sh: on 32-bit ARM there is an interpreter for Python 3.11 only, not for %s. "
             "Take the 64-bit system, or Raspberry Pi OS 12" % name)
PY

if [ "$(id -u)" = 0 ] && [ -n "$services" ] && command -v apt-get > /dev/null; then
    apt-get install -y python3-venv libportaudio2 # the second is what the microphone needs
fi

wheel=$(ls "$here"/kwsembed-*.whl)
mkdir -p "$prefix"
[ -x "$prefix/venv/bin/python" ] || "$python" -m venv "$prefix/venv"
"$prefix/venv/bin/python" -m pip install --quiet "$wheel[edge,mic,mqtt]"
# The same version may hold other code.
"$prefix/venv/bin/python" -m pip install --quiet --force-reinstall --no-deps "$wheel"

rm -rf "$prefix/bundle.new" "$prefix/systemd"
cp -R "$here/bundle" "$prefix/bundle.new"
chmod -R a+rX "$prefix/bundle.new"
if [ -e "$prefix/bundle.new/bundle.json" ]; then
    "$prefix/venv/bin/kwsembed" doctor --bundle "$prefix/bundle.new"
else
    "$prefix/venv/bin/kwsembed" doctor # a streaming export is checked when its service starts
fi
rm -rf "$prefix/bundle"
mv "$prefix/bundle.new" "$prefix/bundle"

mkdir "$prefix/systemd"
for part in $parts; do
    sed "s#/opt/kwsembed/#$prefix/#g" "$here/kwsembed-$part.service" > "$prefix/systemd/kwsembed-$part.service"
done
[ -n "$services" ] || { echo "installed in $prefix; its units are in $prefix/systemd"; exit 0; }

install -d -m 755 /etc/kwsembed
[ -e /etc/kwsembed/environment ] || install -m 600 "$here/environment" /etc/kwsembed/environment
for part in $parts; do
    install -m 644 "$prefix/systemd/kwsembed-$part.service" /etc/systemd/system/
    if [ "$part" = wyoming ] && [ -d /etc/avahi/services ]; then # Home Assistant then finds it by itself
        install -m 644 "$here/kwsembed-wyoming.avahi" /etc/avahi/services/kwsembed.service
    fi
done
systemctl daemon-reload
for part in $parts; do
    systemctl enable "kwsembed-$part"
    systemctl restart "kwsembed-$part"
done
echo "installed in $prefix; settings: /etc/kwsembed/environment; output: journalctl -u 'kwsembed-*' -f"
