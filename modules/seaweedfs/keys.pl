#!/usr/bin/perl
# The keys of the wires, in a file of lines "KEY SECRET BUCKET" on the disk, and in the store. The
# store has no door of its own for a key that somebody else made, only a shell on this container's
# own address: this takes keys from the network and tells the shell.
#
#   keys.pl apply    waits for the store, then makes its keys and buckets those of the file
#   keys.pl listen   takes keys on port 8380, each as one connection of two lines:
#                        ADMIN_SECRET
#                        set KEY SECRET BUCKET   |   remove KEY   |   ping
#                    and answers "ok" or what is wrong
use strict;
use warnings;
use Fcntl ':flock';
use IO::Socket::INET;
use IPC::Open2;

my $data = $ENV{S3_DATA} // '/var/lib/seaweedfs';
my $run = $ENV{S3_RUN} // '/tmp/seaweedfs';
my $name = qr/[A-Za-z0-9_-]+/;
umask 077;

sub keys_on_disk {
    open my $file, '<', "$data/keys" or die "$data/keys: $!\n";
    return map { chomp; my ($key, @rest) = split / /; ($key => \@rest) } <$file>;
}

sub keep {
    my %keys = @_;
    open my $file, '>', "$data/keys.new" or die "$data/keys.new: $!\n";
    print $file "$_ @{ $keys{$_} }\n" for sort keys %keys;
    close $file or die "$data/keys.new: $!\n";
    rename "$data/keys.new", "$data/keys" or die "$data/keys: $!\n";
}

# Tells the store's shell; commands go in through stdin, where nobody can read the secrets in them.
# One at a time: the store reads, changes and writes one document.
sub command {
    my (@commands) = @_;
    open my $lock, '>', "$run/lock" or die "$run/lock: $!\n";
    flock $lock, LOCK_EX or die "$run/lock: $!\n";
    my $shell = open2(my $out, my $in, 'timeout', '60', 'weed', '-logtostderr=false', '-logdir=/tmp', 'shell',
        '-master=127.0.0.1:9333', '-filer=127.0.0.1:8888');
    print $in "$_\n" for @commands;
    close $in;
    my $said = do { local $/; <$out> } // '';
    waitpid $shell, 0;
    my ($wrong) = $said =~ /^.*error.*$/im ? $& : ();
    die "the store's shell ended with $?\n" if $?;
    die "$wrong\n" if $wrong;
    return $said;
}

# What the store has: its keys and its buckets, by name.
sub there {
    my $said = command('s3.configure', 's3.bucket.list');
    return map { $_ => 1 } $said =~ /"name":\s*"($name)"/g, $said =~ /^\s+($name)\s+size:/mg;
}

sub set {
    my ($there, $key, $secret, $bucket) = @_;
    return (
        $there->{$bucket} ? () : "s3.bucket.create -name $bucket",
        $there->{$key} ? "s3.configure -user=$key -delete -apply" : (),
        "s3.configure -user=$key -access_key=$key -secret_key=$secret -buckets=$bucket"
            . ' -actions=Read,Write,List,Tagging -apply',
    );
}

sub apply {
    my $tries = 0;
    my %there;
    until (eval { %there = there(); 1 }) {
        die "the store does not answer within 2 minutes: $@" if ++$tries > 120;
        sleep 1;
    }
    my %keys = keys_on_disk();
    # A backup of another store brings that one's keys along.
    my @strange = grep { !$keys{$_} } keys_in_store();
    command(map { "s3.configure -user=$_ -delete -apply" } @strange) if @strange;
    command(set(\%there, $_, @{ $keys{$_} })) for sort keys %keys;
}

sub keys_in_store {
    return grep { $_ ne 'admin' } command('s3.configure') =~ /"name":\s*"($name)"/g;
}

sub change {
    my ($line) = @_;
    my %keys = keys_on_disk();
    if ($line =~ /^set ($name) ($name) ($name)$/) {
        return 'ok' if $keys{$1} && "@{ $keys{$1} }" eq "$2 $3";
        my ($key, $secret, $bucket) = ($1, $2, $3);
        command(set({ there() }, $key, $secret, $bucket));
        $keys{$key} = [$secret, $bucket];
    } elsif ($line =~ /^remove ($name)$/) {
        my $key = $1;
        command("s3.configure -user=$key -delete -apply") if grep { $_ eq $key } keys_in_store();
        delete $keys{$key};
    } elsif ($line eq 'ping') {
        return -e "$run/ready" ? 'ok' : 'starting';
    } else {
        return 'no such command';
    }
    keep(%keys);
    return 'ok';
}

sub listen_for_ever {
    my $admin = $ENV{S3_ADMIN_SECRET} // die "the admin secret is not set\n";
    delete $ENV{S3_ADMIN_SECRET};
    my $listener = IO::Socket::INET->new(
        LocalAddr => '0.0.0.0', LocalPort => $ENV{S3_ADMIN_PORT} // 8380,
        Listen => 16, ReuseAddr => 1,
    ) or die "port 8380: $!\n";
    $SIG{PIPE} = 'IGNORE';
    while (1) {
        my $peer = $listener->accept or next;
        my $answer = eval {
            local $SIG{ALRM} = sub { die "too slow\n" };
            alarm 5;
            # What is read is bounded, whatever is sent.
            my @lines;
            my $text = '';
            while (@lines < 2 && length $text < 1024) {
                sysread $peer, $text, 512, length $text or last;
                @lines = split /\n/, $text, -1;
                pop @lines;
            }
            alarm 0;
            my ($secret, $line) = map { s/\r$//r } @lines;
            !defined $line ? 'two lines are expected'
                : $secret ne $admin ? 'wrong secret'
                : change($line);
        } // "error: $@";
        alarm 0;
        chomp $answer;
        print $peer "$answer\n";
        close $peer;
    }
}

my $verb = $ARGV[0] // '';
if ($verb eq 'apply') {
    apply();
} elsif ($verb eq 'listen') {
    listen_for_ever();
} else {
    die "usage: keys.pl apply|listen\n";
}
