# shellcheck shell=sh
: "${project:?}"
# Virtual functions of the igb that QEMU emulates since 8.0: by index, by pool, and what their physical function may be then.

# shellcheck source=/dev/null
. "$project/test/lab/hold.sh"

pf=0000:03:00.0
device=/sys/bus/pci/devices/$pf

# The rest of the part, for a node that has such a NIC.
show_virtual_functions() {
  modprobe igb
  until_true 30 test -e $device/net
  interface=$(ls $device/net)
  cat >>/etc/qemu-rt/qemu-rt.toml <<END
[nic.vf0]
pf = "$interface"
vf = 0
[nic.vf1]
pf = "$pf"
vf = 1
[nic.vf5]
pf = "52:54:00:00:01:0b"
vf = 5
[nic.vfs]
pf = "$interface"
pool = true
[nic.igb]
id = "8086:10c9"
pool = true
END

  off="$interface \($pf\) has no virtual functions on \(0 of [0-9]+\)"
  like "none is on" "NIC 'vf0' .*: $off; run as root: echo N > $device/sriov_numvfs" "$(other --rt-nic vf0)"
  like "nor in the pool" "NIC 'vfs' .*: $off" "$(other --rt-nic vfs)"
  # As it is advised.
  echo 2 >$device/sriov_numvfs
  zero=$(basename "$(readlink $device/virtfn0)")
  one=$(basename "$(readlink $device/virtfn1)")
  like "one that is not on" "NIC 'vf5' .*: $interface \($pf\) has 2 of [0-9]+ virtual functions on, 0 to 1" \
    "$(other --rt-nic vf5)"
  like "one that is not bound" "NIC 'vf1' is not ready: $one is bound to no driver, not to vfio-pci; .*nics bind $one" \
    "$(other --rt-nic vf1)"
  modprobe igbvf
  until_true 30 test -e "/sys/bus/pci/devices/$one/net"
  like "by its index it is bound" "$one .*: igbvf → vfio-pci" "$(qemu-rt nics bind vf1)"
  is "and that one alone" "igb igbvf vfio-pci" "$(driver_of $pf) $(driver_of "$zero") $(driver_of "$one")"
  like "the list has it" "vf1,vfs .*$one.* vfio-pci .* yes" "$(qemu-rt nics list)"

  # The physical function is not for a VM meanwhile.
  on="2 virtual functions of $interface are on, and vfio-pci takes no such device; name one of them \(pf = \"$interface\", vf = N\)"
  like "the physical function by its interface" "NIC '$interface' is not ready: $on" "$(planned --nic "$interface")"
  like "and in a pool" "NIC pool 'igb' has no free device: .*virtual functions of $interface are on" "$(other --rt-nic igb)"
  like "it is not taken by force either" "$on" "$(qemu-rt nics bind --force $pf 2>&1)"
  is "the virtual functions are there still" "2 igb" "$(cat $device/sriov_numvfs) $(driver_of $pf)"

  hold 1 "$one" --rt-nic vf1
  like "one that another VM has" "NIC 'vf1' is held by guest 'holder'" "$(other --rt-nic vf1)"
  like "the pool has no other that is bound" "NIC pool 'vfs' has no free device: .*$zero is bound to igbvf.*$one is taken by guest 'holder'" \
    "$(other --rt-nic vfs)"
  qemu-rt nics bind "$zero" >/dev/null
  like "and then it has" "host=$zero" "$(planned --nic vfs)"
  is "the holder says nothing" "" "$(let_go)"
  hold 2 "$zero" --rt-nic vfs --rt-nic vfs
  is "one VM has both of the pool" "2" "$(open_nodes | grep -c .)"
  let_go
  qemu-rt nics unbind vfs >/dev/null
  is "both have their driver again" "igbvf igbvf" "$(driver_of "$zero") $(driver_of "$one")"

  # With the physical function on vfio-pci the kernel wants a token for each of them.
  echo 0 >$device/sriov_numvfs
  like "without virtual functions it can be had" "$pf .*: igb → vfio-pci" "$(qemu-rt nics bind $pf)"
  echo Y >/sys/module/vfio_pci/parameters/enable_sriov
  echo 2 >$device/sriov_numvfs
  is "vfio-pci takes those that it turns on" "vfio-pci" "$(driver_of "$one")"
  like "the kernel opens none without a token" "Permission denied|Operation not permitted" "$(bare -device "vfio-pci,host=$one")"
  token="$one is a virtual function of $pf, which vfio-pci has, so it opens only with the token"
  like "and that is said before" "NIC 'vf1' is not ready: $token" "$(other --rt-nic vf1)"
  like "the pool takes none" "NIC pool '.*' has no free device|matches no device" "$(other --rt-nic vfs)"
  uuid=2ab74924-c335-45f4-9b16-8569e5b08258
  hold 2 "$one" -device "vfio-pci,host=$pf,vf-token=$uuid" -device "vfio-pci,host=nic:vf1,vf-token=$uuid"
  is "with it QEMU opens both" "2" "$(open_nodes | grep -c .)"
  like "and the physical function is not taken from them" "is held by guest 'holder'" "$(qemu-rt nics unbind $pf 2>&1)"
  is "it says nothing" "" "$(let_go)"
  # The token that the physical function's last user has set still holds.
  hold 1 "$one" -device "vfio-pci,host=nic:vf1,vf-token=$uuid"
  like "nor while a VM has a virtual function alone" "$one, a virtual function of $pf, is held by guest 'holder'" \
    "$(qemu-rt nics unbind $pf 2>&1)"
  is "that VM says nothing" "" "$(let_go)"
  echo 0 >$device/sriov_numvfs
  qemu-rt nics unbind $pf >/dev/null
  is "the physical function has its driver again" "igb" "$(driver_of $pf)"
}

if [ -e $device/sriov_totalvfs ]; then
  show_virtual_functions
else
  echo "# virtual functions are not shown: the QEMU that runs this node has no igb (it is there since 8.0)"
fi
