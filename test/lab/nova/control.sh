#!/bin/sh
# Runs in the root and the network of npm run lab -- --nova, as root: starts OpenStack's control plane, boots the node, and
# runs what the node's tests ask of the API. All of it ends with the namespaces that it is in.
set -eu
lab=$(dirname "$(readlink -f "$0")")
project=$(cd "$lab/../../.." && pwd)
shared=$project/.lab/out/cloud
logs=$project/.lab/cloud
begun=$(date +%s)
export LC_ALL=C.UTF-8 HOME=/root

# shellcheck source=/dev/null
. "$lab/../until.sh"

say() {
  echo "# cloud: $1, $(($(date +%s) - begun)) s"
}

fail() {
  echo "lab: $1; the logs are in .lab/cloud" >&2
  exit 1
}

# $1 user, the rest is a command: runs it as that user, with its output in the log of its program
as() {
  user=$1
  shift
  HOME=$(getent passwd "$user" | cut -d: -f6) \
    setpriv --reuid="$user" --regid="$user" --init-groups -- "$@" >>"$logs/$(basename "$1").log" 2>&1
}

# $1 name of an API's service, $2 its directory of /etc, $3 port: serves it as its package has it, by two processes. Nova's API has
# one thread in each: only the thread that asked first hears what a compute service answers.
# uWSGI ends a connection after each answer, and a client that is not told so may send its next request into one that ends.
serve() {
  sed -e "/^processes\|^logto\|^apparmor-profile\|^socket-timeout/d" -e "s/,apparmor$//" "/etc/$2/$1-uwsgi.ini" >"/run/$1.ini"
  uwsgi_python3 --http-socket "127.0.0.1:$3" --ini "/run/$1.ini" --processes 2 --socket-timeout 120 \
    --add-header 'Connection: close' >>"$logs/$1.log" 2>&1 &
}

# $1 URL: whether something answers there; with 300 or 401, as an API says it
answers() {
  curl --silent --output /dev/null "$1"
}

# Fills logins into the configuration of each service.
configure() {
  for name in keystone placement glance-api neutron nova; do
    while read -r line; do
      case $line in
        @login@) cat "$lab/etc/login.conf" ;;
        @authtoken@) cat "$lab/etc/authtoken.conf" "$lab/etc/login.conf" ;;
        *) echo "$line" ;;
      esac
    done <"$lab/etc/$name.conf" >"/etc/${name%-api}/$name.conf"
  done
}

start_database() {
  install -d -o mysql -g mysql /run/mysqld
  mariadbd --user=mysql --bind-address=127.0.0.1 --skip-name-resolve >>"$logs/mariadbd.log" 2>&1 &
  until_true 60 mariadb -e 'select 1' >/dev/null 2>&1 || fail "MariaDB does not start"
  for name in keystone placement glance neutron nova nova_api nova_cell0; do
    echo "create database $name; grant all on $name.* to lab@'%' identified by 'lab';"
  done | mariadb
}

start_queue() {
  RABBITMQ_NODENAME=rabbit@localhost RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 ERL_EPMD_ADDRESS=127.0.0.1 \
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}' \
    as rabbitmq rabbitmq-server &
}

start_identity() {
  as keystone keystone-manage db_sync
  as keystone keystone-manage fernet_setup --keystone-user keystone --keystone-group keystone
  as keystone keystone-manage bootstrap --bootstrap-password lab --bootstrap-region-id RegionOne \
    --bootstrap-public-url http://controller:5000/v3 --bootstrap-internal-url http://controller:5000/v3
  serve keystone keystone 5000
  until_true 60 answers http://controller:5000/v3 || fail "Keystone does not start"
}

# A project of the services, one of a tenant, and where each service is.
register() {
  {
    echo project create service
    echo user create --project service --password lab service
    echo role add --project service --user service admin
    echo project create plant
    echo user create --project plant --password lab operator
    echo role add --project plant --user operator member
    for service in placement:placement:8778 image:glance:9292 network:neutron:9696 compute:nova:8774/v2.1; do
      type=${service%%:*}
      rest=${service#*:}
      echo service create --name "${rest%%:*}" "$type"
      echo endpoint create --region RegionOne "$type" public "http://controller:${rest#*:}"
    done
  } >/run/register
  # It goes on after a command that fails.
  openstack </run/register >>"$logs/register.log" 2>&1
}

start_placement() {
  as placement placement-manage db sync
  serve placement-api placement 8778
}

start_images() {
  as glance glance-manage db_sync
  serve glance-api glance 9292
}

start_network() {
  as neutron neutron-db-manage --config-file /etc/neutron/neutron.conf upgrade head
  serve neutron-api neutron 9696
}

start_compute() {
  as nova nova-manage api_db sync
  as nova nova-manage cell_v2 map_cell0
  as nova nova-manage cell_v2 create_cell --name cell1
  as nova nova-manage db sync
  serve nova-api nova 8774
  as nova nova-scheduler &
  as nova nova-conductor &
}

# What the node's tests ask for, one after the other: each N.sh is run, N.out and N.status are what came of it.
serve_node() {
  while :; do
    for request in "$shared"/*.sh; do
      [ -f "$request" ] || continue
      name=${request%.sh}
      status=0
      sh "$request" >"$name.out" 2>&1 || status=$?
      rm "$request"
      echo "$status" >"$name.new"
      mv "$name.new" "$name.status"
    done
    sleep 0.1
  done
}

# It boots while the services start.
start_node() {
  node "$project/test/lab/lab.mjs" --part nova "$@"
}

ip link set lo up
echo "127.0.0.1 localhost controller" >/etc/hosts
hostname controller
rm -rf "$logs"
mkdir -p "$logs"
chmod 1777 "$logs"
configure
OS_AUTH_URL=http://controller:5000/v3
export OS_AUTH_URL OS_USERNAME=admin OS_PASSWORD=lab OS_PROJECT_NAME=admin OS_REGION_NAME=RegionOne
export OS_USER_DOMAIN_NAME=Default OS_PROJECT_DOMAIN_NAME=Default OS_IDENTITY_API_VERSION=3
serve_node &
start_node "$@" &
node=$!
start_queue
start_database
say "the database is up"
start_identity
say "Keystone is up"
register
start_placement
start_images
start_network
start_compute
for port in 8778 9292 9696 8774; do
  until_true 90 answers "http://controller:$port/" || fail "nothing answers at port $port"
done
say "every service is up"
mkdir -p "$shared"
touch "$shared/ready"
wait "$node"
