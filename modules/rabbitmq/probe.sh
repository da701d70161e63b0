#!/bin/sh
# Tries a wire once, with the wire's own login over the network: connects, logs in, opens the
# vhost. AMQP 0-9-1 by hand, because the clients that Debian has take passwords only as
# arguments, where others can read them.
exec perl - <<'PERL'
use strict;
use warnings;
use IO::Socket::INET;

my ($host, $port, $vhost, $user, $password) = map {
    $ENV{"WIRE_$_"} // die "not yet: WIRE_$_ is not set\n"
} qw(HOST PORT VHOST USERNAME PASSWORD);

$SIG{ALRM} = sub { die "not yet: no answer from $host:$port within 10 s\n" };
alarm 10;
my $socket = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port, Proto => 'tcp', Timeout => 5)
    or die "not yet: $host:$port: $!\n";

# A frame: type, channel, size, payload, end mark (AMQP 0-9-1, section 4.2.3).
sub take {
    my ($size) = @_;
    my $bytes = '';
    while (length $bytes < $size) {
        my $read = sysread $socket, $bytes, $size - length $bytes, length $bytes;
        die "not yet: $host:$port closed the connection: is the login right?\n" unless $read;
    }
    return $bytes;
}
sub receive {
    my ($class, $method, $name) = @_;
    my ($type, $channel, $size) = unpack 'Cna4', take(7);
    my $payload = take(unpack 'N', $size);
    take(1);
    my ($got_class, $got_method) = unpack 'nn', $payload;
    return substr $payload, 4 if $got_class == $class && $got_method == $method;
    my $reason = $got_method == 50 ? unpack 'x4 x2 C/a', $payload : "method $got_class.$got_method";
    die "not yet: no $name from $host:$port: $reason\n";
}
sub send_method {
    my ($class, $method, $arguments) = @_;
    my $payload = pack('nn', $class, $method) . $arguments;
    syswrite $socket, pack('CnN', 1, 0, length $payload) . $payload . "\xCE";
}

syswrite $socket, "AMQP\0\0\x09\x01";
receive(10, 10, 'connection.start');
send_method(10, 11, pack('N', 0) . pack('C/a', 'PLAIN') . pack('N/a', "\0$user\0$password") . pack('C/a', 'en_US'));
# The server's own limits are taken as they are; no heartbeat is needed for this moment.
my ($channels, $frame) = unpack 'nN', receive(10, 30, 'connection.tune');
send_method(10, 31, pack('nNn', $channels, $frame, 0));
send_method(10, 40, pack('C/a', $vhost) . pack('C/a', '') . "\0");
receive(10, 41, 'connection.open-ok');
send_method(10, 50, pack('n', 200) . pack('C/a', '') . pack('nn', 0, 0));
PERL
