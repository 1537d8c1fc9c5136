#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# A Slurm cluster of two nodes: munge, a controller and two slurmd in the caller's namespaces.
# Runs as root of a user namespace in which UID 1000, the ordinary user, owns the checkout. Prints
# "ready", and ends the cluster when stdin ends, because it is the first process of its namespace.
#
# Usage: slurm.sh DIR
set -eu
dir=$1
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
ip link set lo up
ip address add 10.9.9.1/32 dev lo # Slurm resolves no name while there are only loopback addresses
printf 'root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/tmp:/bin/sh\n' >"$dir/passwd"
mount --bind "$dir/passwd" /etc/passwd
host=$(hostname)

head -c 1024 /dev/urandom >"$dir/munge.key"
chmod 400 "$dir/munge.key"
mkdir -p /run/munge "$dir/state" "$dir/spool/n1" "$dir/spool/n2"
munged --force --key-file="$dir/munge.key" --socket=/run/munge/munge.socket.2 \
	--pid-file="$dir/munged.pid" --log-file="$dir/munged.log" --seed-file="$dir/munged.seed"

cat >"$dir/slurm.conf" <<-CONF
	ClusterName=test
	SlurmctldHost=$host(10.9.9.1)
	SlurmUser=root
	SlurmdUser=root
	AuthType=auth/munge
	StateSaveLocation=$dir/state
	SlurmdSpoolDir=$dir/spool/%n
	SlurmctldPidFile=$dir/slurmctld.pid
	SlurmdPidFile=$dir/slurmd-%n.pid
	SlurmctldLogFile=$dir/slurmctld.log
	SlurmdLogFile=$dir/slurmd-%n.log
	ProctrackType=proctrack/linuxproc
	TaskPlugin=task/none
	MpiDefault=none
	SelectType=select/cons_tres
	SelectTypeParameters=CR_Core
	ReturnToService=2
	SchedulerParameters=batch_sched_delay=0,sched_interval=1
	KillWait=1
	NodeName=n[1-2] NodeAddr=10.9.9.1 NodeHostname=$host Port=[7001-7002] CPUs=2 RealMemory=1000
	PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF="$dir/slurm.conf"
slurmctld
slurmd -N n1
slurmd -N n2
echo ready
cat >/dev/null
