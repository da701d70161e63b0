//! From verdicts to classic BPF: neighbouring numbers with one verdict become a range, and the
//! ranges a binary search. About 150 instructions instead of 1,600, which the kernel loads an
//! order of magnitude faster (it pre-evaluates a filter for every number).

use super::Verdict;
use crate::sys::Instruction;

// linux/bpf_common.h
const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
const EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const ANY_BIT: u16 = 0x45; // BPF_JMP | BPF_JSET | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

// linux/seccomp.h
const ALLOW: u32 = 0x7fff_0000;
const ERRNO: u32 = 0x0005_0000;

// struct seccomp_data
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
/// Offset of the low half of argument n (little endian).
const fn argument(n: u8) -> u32 {
    16 + 8 * n as u32
}

#[cfg(target_arch = "x86_64")]
const NATIVE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const NATIVE: u32 = 0xc000_00b7;

/// `CLONE_NEW*` that the flags of clone(2) can carry.
const NEW_NAMESPACES: u32 = 0x7e02_0000;

const fn op(code: u16, value: u32) -> Instruction {
    Instruction { code, jump_true: 0, jump_false: 0, value }
}

const fn test(code: u16, value: u32, jump_true: u8, jump_false: u8) -> Instruction {
    Instruction { code, jump_true, jump_false, value }
}

const fn errno(number: i32) -> Instruction {
    op(RETURN, ERRNO | number as u32)
}

/// Compiles verdicts sorted by number; gaps answer `ENOSYS`.
pub(super) fn compile(table: &[(u32, Verdict)]) -> Vec<Instruction> {
    let missing = Verdict::Errno(libc::ENOSYS);
    let mut ranges: Vec<(u32, Verdict)> = vec![(0, missing)];
    let mut start = |at: u32, verdict: Verdict| match ranges.last_mut() {
        Some(last) if last.1 == verdict => {}
        Some(last) if last.0 == at => last.1 = verdict,
        _ => ranges.push((at, verdict)),
    };
    let mut next = 0;
    for (number, verdict) in table {
        if *number > next {
            start(next, missing);
        }
        start(*number, *verdict);
        next = number + 1;
    }
    start(next, missing);

    let mut program = vec![
        op(LOAD, ARCHITECTURE),
        test(EQUAL, NATIVE, 1, 0),
        errno(libc::ENOSYS),
        op(LOAD, NUMBER),
    ];
    program.extend(search(&ranges));
    program
}

/// Binary search over ranges: the left half follows, the right half is jumped to.
fn search(ranges: &[(u32, Verdict)]) -> Vec<Instruction> {
    let (left, right) = match ranges {
        [] => return vec![errno(libc::ENOSYS)],
        [(_, verdict)] => return answer(*verdict),
        _ => ranges.split_at(ranges.len() / 2),
    };
    let border = right[0].0;
    let (left, right) = (search(left), search(right));
    let mut program = match u8::try_from(left.len()) {
        Ok(distance) => vec![test(AT_LEAST, border, distance, 0)],
        Err(_) => vec![
            test(AT_LEAST, border, 0, 1),
            op(JUMP, u32::try_from(left.len()).unwrap_or(u32::MAX)),
        ],
    };
    program.extend(left);
    program.extend(right);
    program
}

/// The instructions that decide one range, each path ending in a return.
fn answer(verdict: Verdict) -> Vec<Instruction> {
    match verdict {
        Verdict::Allow => vec![op(RETURN, ALLOW)],
        Verdict::Errno(number) => vec![errno(number)],
        Verdict::Socket => vec![
            op(LOAD, argument(0)),
            test(EQUAL, libc::AF_UNIX as u32, 6, 0),
            test(EQUAL, libc::AF_INET as u32, 5, 0),
            test(EQUAL, libc::AF_INET6 as u32, 4, 0),
            test(EQUAL, libc::AF_NETLINK as u32, 0, 2),
            op(LOAD, argument(2)),
            test(EQUAL, libc::NETLINK_ROUTE as u32, 1, 0),
            errno(libc::EAFNOSUPPORT),
            op(RETURN, ALLOW),
        ],
        Verdict::Clone => refuse_if_any(0, NEW_NAMESPACES),
        Verdict::Mknod(mode) => vec![
            op(LOAD, argument(mode)),
            op(AND, libc::S_IFMT),
            test(EQUAL, libc::S_IFCHR, 2, 0),
            test(EQUAL, libc::S_IFBLK, 1, 0),
            op(RETURN, ALLOW),
            errno(libc::EPERM),
        ],
        Verdict::Ioctl => vec![
            op(LOAD, argument(1)),
            test(EQUAL, 0x5412, 2, 0), // TIOCSTI
            test(EQUAL, 0x541c, 1, 0), // TIOCLINUX
            op(RETURN, ALLOW),
            errno(libc::EPERM),
        ],
        Verdict::Personality => vec![
            op(LOAD, argument(0)),
            test(EQUAL, 0, 1, 0),
            test(EQUAL, u32::MAX, 0, 1),
            op(RETURN, ALLOW),
            errno(libc::EPERM),
        ],
    }
}

fn refuse_if_any(index: u8, bits: u32) -> Vec<Instruction> {
    vec![
        op(LOAD, argument(index)),
        test(ANY_BIT, bits, 1, 0),
        op(RETURN, ALLOW),
        errno(libc::EPERM),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a filter as the kernel would.
    fn run(program: &[Instruction], architecture: u32, number: u32, args: [u64; 6]) -> u32 {
        let mut data = Vec::new();
        data.extend(number.to_le_bytes());
        data.extend(architecture.to_le_bytes());
        data.extend(0_u64.to_le_bytes());
        args.iter().for_each(|a| data.extend(a.to_le_bytes()));
        let (mut at, mut a) = (0, 0_u32);
        loop {
            let i = program[at];
            at += 1;
            let taken = match i.code {
                LOAD => {
                    let offset = i.value as usize;
                    a = u32::from_le_bytes(data[offset..offset + 4].try_into().unwrap());
                    continue;
                }
                AND => {
                    a &= i.value;
                    continue;
                }
                JUMP => {
                    at += i.value as usize;
                    continue;
                }
                RETURN => return i.value,
                EQUAL => a == i.value,
                AT_LEAST => a >= i.value,
                ANY_BIT => a & i.value != 0,
                code => panic!("code {code:#x}"),
            };
            at += usize::from(if taken { i.jump_true } else { i.jump_false });
        }
    }

    fn native(number: libc::c_long, args: [u64; 6]) -> u32 {
        run(super::super::program(), NATIVE, u32::try_from(number).unwrap(), args)
    }

    #[test]
    fn every_number_gets_the_verdict_of_the_table() {
        let table: std::collections::HashMap<u32, Verdict> =
            super::super::table().into_iter().collect();
        for number in (0..2_000).chain([0x3fff_ffff, 0x4000_0000, 0x4000_0001, u32::MAX]) {
            let got = run(super::super::program(), NATIVE, number, [0; 6]);
            match table.get(&number) {
                Some(Verdict::Allow) => assert_eq!(got, ALLOW, "{number}"),
                Some(Verdict::Errno(e)) => assert_eq!(got, ERRNO | *e as u32, "{number}"),
                Some(_) => {}
                None => assert_eq!(got, ERRNO | libc::ENOSYS as u32, "{number}"),
            }
        }
    }

    #[test]
    fn foreign_abis_have_no_calls() {
        for number in 0..500 {
            let got = run(super::super::program(), 0x4000_0003, number, [0; 6]);
            assert_eq!(got, ERRNO | libc::ENOSYS as u32);
        }
    }

    #[test]
    fn only_four_socket_families_open() {
        let refused = ERRNO | libc::EAFNOSUPPORT as u32;
        for family in 0..64_u64 {
            let expected = if [1, 2, 10, 16].contains(&family) { ALLOW } else { refused };
            assert_eq!(native(libc::SYS_socket, [family, 2, 0, 0, 0, 0]), expected, "{family}");
        }
        // NETLINK_XFRM
        assert_eq!(native(libc::SYS_socket, [16, 3, 6, 0, 0, 0]), refused);
    }

    #[test]
    fn clone_makes_threads_but_no_namespaces() {
        assert_eq!(native(libc::SYS_clone, [0x3d_0f00, 0, 0, 0, 0, 0]), ALLOW);
        for flag in [0x2_0000, 0x200_0000, 0x400_0000, 0x800_0000, 0x1000_0000, 0x4000_0000] {
            assert_eq!(
                native(libc::SYS_clone, [flag | 17, 0, 0, 0, 0, 0]),
                ERRNO | libc::EPERM as u32
            );
        }
        assert_eq!(native(libc::SYS_clone3, [0; 6]), ERRNO | libc::ENOSYS as u32);
    }

    #[test]
    fn mknod_makes_fifos_but_no_devices() {
        let refused = ERRNO | libc::EPERM as u32;
        let mode = |kind: u32| u64::from(kind | 0o666);
        assert_eq!(native(libc::SYS_mknodat, [0, 0, mode(libc::S_IFIFO), 0, 0, 0]), ALLOW);
        assert_eq!(native(libc::SYS_mknodat, [0, 0, mode(libc::S_IFCHR), 0, 0, 0]), refused);
        assert_eq!(native(libc::SYS_mknodat, [0, 0, mode(libc::S_IFBLK), 0, 0, 0]), refused);
    }

    #[test]
    fn far_jumps_are_encoded() {
        // Alternating verdicts make as many ranges as numbers: jumps beyond 255 instructions.
        let table: Vec<(u32, Verdict)> = (0..1_000)
            .map(|n| (n, if n % 2 == 0 { Verdict::Allow } else { Verdict::Errno(libc::EPERM) }))
            .collect();
        let program = compile(&table);
        for n in 0..1_000 {
            let expected = if n % 2 == 0 { ALLOW } else { ERRNO | libc::EPERM as u32 };
            assert_eq!(run(&program, NATIVE, n, [0; 6]), expected, "{n}");
        }
        assert_eq!(run(&program, NATIVE, 1_000, [0; 6]), ERRNO | libc::ENOSYS as u32);
    }
}
