#!/usr/bin/perl
# The logins of the wires, in a file of lines "NAME HASH" on the disk. NATS reads its users from its
# configuration alone, so that somebody must write it: this does.
#
#   logins.pl write    writes the part of the configuration that names the users
#   logins.pl listen   takes logins on port 4280, each as one connection of two lines:
#                          ADMIN_PASSWORD
#                          set NAME PASSWORD   |   remove NAME   |   ping
#                      and answers "ok" or what is wrong; the server then reads its users anew.
use strict;
use warnings;
use IO::Socket::INET;

my $data = $ENV{NATS_DATA} // '/var/lib/nats';
my $run = $ENV{NATS_RUN} // '/tmp/nats';
umask 077;

sub replace {
    my ($path, $text) = @_;
    open my $file, '>', "$path.new" or die "$path.new: $!\n";
    print $file $text or die "$path.new: $!\n";
    close $file or die "$path.new: $!\n";
    rename "$path.new", $path or die "$path: $!\n";
}

sub logins {
    open my $file, '<', "$data/logins" or die "$data/logins: $!\n";
    return map { chomp; split / /, $_, 2 } <$file>;
}

# One account for all, so that blocks can talk. Without a user the server would take anybody, so
# there is always one, whose password nobody knows.
sub write_configuration {
    my %logins = @_;
    my $users = join '', map { "            { user: \"$_\", password: \"$logins{$_}\" }\n" } sort keys %logins;
    replace("$run/logins.conf", <<CONF);
accounts {
    SHARED {
        jetstream: enabled
        users: [
            { user: "nobody", password: "@{[ hash(random(32)) ]}" }
$users        ]
    }
}
CONF
}

sub random {
    my ($length) = @_;
    open my $source, '<:raw', '/dev/urandom' or die "/dev/urandom: $!\n";
    read $source, my $bytes, $length or die "/dev/urandom: $!\n";
    my @letters = ('A' .. 'Z', 'a' .. 'z', '0' .. '9', '.', '/');
    return join '', map { $letters[ord($_) & 63] } split //, $bytes;
}

# Passwords of wires are 32 random letters, so the least work is enough.
sub hash {
    my ($password) = @_;
    my $hash = crypt $password, '$2a$04$' . random(21) . 'u';
    die "bcrypt is not to be had\n" unless defined $hash && length $hash == 60;
    return $hash;
}

sub change {
    my ($line) = @_;
    my %logins = logins();
    if ($line =~ /^set ([A-Za-z0-9_-]+) ([A-Za-z0-9_-]+)$/) {
        my ($name, $password) = ($1, $2);
        return 'ok' if defined $logins{$name} && crypt($password, $logins{$name}) eq $logins{$name};
        $logins{$name} = hash($password);
    } elsif ($line =~ /^remove ([A-Za-z0-9_-]+)$/) {
        delete $logins{$1} or return 'ok';
    } elsif ($line eq 'ping') {
        return 'ok';
    } else {
        return 'no such command';
    }
    replace("$data/logins", join '', map { "$_ $logins{$_}\n" } sort keys %logins);
    write_configuration(%logins);
    open my $file, '<', "$run/child" or return 'the server is not running';
    chomp(my $server = <$file>);
    kill 'HUP', $server or return "the server is not running";
    return 'ok';
}

sub listen_for_ever {
    my $admin = $ENV{NATS_ADMIN_PASSWORD} // die "the admin password is not set\n";
    my $listener = IO::Socket::INET->new(
        LocalAddr => '0.0.0.0', LocalPort => $ENV{NATS_ADMIN_PORT} // 4280,
        Listen => 16, ReuseAddr => 1,
    ) or die "port 4280: $!\n";
    $SIG{PIPE} = 'IGNORE';
    while (1) {
        my $peer = $listener->accept or next;
        my $answer = eval {
            local $SIG{ALRM} = sub { die "too slow\n" };
            alarm 5;
            # A line is at most 512 bytes, whatever is sent.
            my @lines;
            my $text = '';
            while (@lines < 2 && length $text < 1024) {
                sysread $peer, $text, 512, length $text or last;
                @lines = split /\n/, $text, -1;
                pop @lines;
            }
            my ($password, $line) = map { s/\r$//r } @lines;
            my $result = !defined $line ? 'two lines are expected'
                : $password ne $admin ? 'wrong password'
                : change($line);
            alarm 0;
            $result;
        } // "error: $@";
        alarm 0;
        chomp $answer;
        print $peer "$answer\n";
        close $peer;
    }
}

my $verb = $ARGV[0] // '';
if ($verb eq 'write') {
    write_configuration(logins());
} elsif ($verb eq 'listen') {
    listen_for_ever();
} else {
    die "usage: logins.pl write|listen\n";
}
