//! The lists behind the filter: which system calls exist for a container.
//!
//! Left out on purpose, so `ENOSYS`: io_uring (its operations bypass a filter), clone3 (its
//! flags are in memory a filter cannot read; libraries fall back to clone), mount inspection,
//! obsolete calls, and whatever a future kernel adds. Docker's public default profile was the
//! starting point for what programs need; the differences are in docs.

/// Missing in libc.
#[cfg(target_arch = "x86_64")]
const IO_PGETEVENTS: libc::c_long = 333;
#[cfg(target_arch = "aarch64")]
const IO_PGETEVENTS: libc::c_long = 292;

/// Harmless, or harmless without a capability.
#[rustfmt::skip]
pub(super) const ALLOWED: &[libc::c_long] = &[
    libc::SYS_read, libc::SYS_write, libc::SYS_close, libc::SYS_fstat, libc::SYS_newfstatat, libc::SYS_lseek,
    libc::SYS_mmap, libc::SYS_mprotect, libc::SYS_munmap, libc::SYS_brk, libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask, libc::SYS_rt_sigreturn, libc::SYS_pread64, libc::SYS_pwrite64,
    libc::SYS_readv, libc::SYS_writev, libc::SYS_sched_yield, libc::SYS_mremap, libc::SYS_msync,
    libc::SYS_mincore, libc::SYS_madvise, libc::SYS_shmget, libc::SYS_shmat, libc::SYS_shmctl,
    libc::SYS_dup, libc::SYS_nanosleep, libc::SYS_getitimer, libc::SYS_setitimer, libc::SYS_getpid,
    libc::SYS_sendfile, libc::SYS_connect, libc::SYS_accept, libc::SYS_sendto, libc::SYS_recvfrom,
    libc::SYS_sendmsg, libc::SYS_recvmsg, libc::SYS_shutdown, libc::SYS_bind, libc::SYS_listen,
    libc::SYS_getsockname, libc::SYS_getpeername, libc::SYS_setsockopt, libc::SYS_getsockopt,
    libc::SYS_execve, libc::SYS_exit, libc::SYS_wait4, libc::SYS_kill, libc::SYS_uname,
    libc::SYS_semget, libc::SYS_semop, libc::SYS_semctl, libc::SYS_shmdt, libc::SYS_msgget,
    libc::SYS_msgsnd, libc::SYS_msgrcv, libc::SYS_msgctl, libc::SYS_fcntl, libc::SYS_flock,
    libc::SYS_fsync, libc::SYS_fdatasync, libc::SYS_truncate, libc::SYS_ftruncate, libc::SYS_getcwd,
    libc::SYS_chdir, libc::SYS_fchdir, libc::SYS_fchmod, libc::SYS_fchown, libc::SYS_umask,
    libc::SYS_gettimeofday, libc::SYS_getrlimit, libc::SYS_getrusage, libc::SYS_sysinfo,
    libc::SYS_times, libc::SYS_getuid, libc::SYS_getgid, libc::SYS_setuid, libc::SYS_setgid,
    libc::SYS_geteuid, libc::SYS_getegid, libc::SYS_setpgid, libc::SYS_getppid, libc::SYS_setsid,
    libc::SYS_setreuid, libc::SYS_setregid, libc::SYS_getgroups, libc::SYS_setgroups,
    libc::SYS_setresuid, libc::SYS_getresuid, libc::SYS_setresgid, libc::SYS_getresgid,
    libc::SYS_getpgid, libc::SYS_setfsuid, libc::SYS_setfsgid, libc::SYS_getsid, libc::SYS_capget,
    libc::SYS_capset, libc::SYS_rt_sigpending, libc::SYS_rt_sigtimedwait, libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_sigsuspend, libc::SYS_sigaltstack, libc::SYS_statfs, libc::SYS_fstatfs,
    libc::SYS_getpriority, libc::SYS_setpriority, libc::SYS_sched_setparam,
    libc::SYS_sched_getparam, libc::SYS_sched_setscheduler, libc::SYS_sched_getscheduler,
    libc::SYS_sched_get_priority_max, libc::SYS_sched_get_priority_min,
    libc::SYS_sched_rr_get_interval, libc::SYS_mlock, libc::SYS_munlock, libc::SYS_mlockall,
    libc::SYS_munlockall, libc::SYS_prctl, libc::SYS_setrlimit, libc::SYS_sync, libc::SYS_gettid,
    libc::SYS_readahead, libc::SYS_setxattr, libc::SYS_lsetxattr, libc::SYS_fsetxattr,
    libc::SYS_getxattr, libc::SYS_lgetxattr, libc::SYS_fgetxattr, libc::SYS_listxattr,
    libc::SYS_llistxattr, libc::SYS_flistxattr, libc::SYS_removexattr, libc::SYS_lremovexattr,
    libc::SYS_fremovexattr, libc::SYS_tkill, libc::SYS_futex, libc::SYS_sched_setaffinity,
    libc::SYS_sched_getaffinity, libc::SYS_io_setup, libc::SYS_io_destroy, libc::SYS_io_getevents,
    libc::SYS_io_submit, libc::SYS_io_cancel, libc::SYS_getdents64, libc::SYS_set_tid_address,
    libc::SYS_restart_syscall, libc::SYS_semtimedop, libc::SYS_fadvise64, libc::SYS_timer_create,
    libc::SYS_timer_settime, libc::SYS_timer_gettime, libc::SYS_timer_getoverrun,
    libc::SYS_timer_delete, libc::SYS_clock_gettime, libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep, libc::SYS_exit_group, libc::SYS_epoll_ctl, libc::SYS_tgkill,
    libc::SYS_mq_open, libc::SYS_mq_unlink, libc::SYS_mq_timedsend, libc::SYS_mq_timedreceive,
    libc::SYS_mq_notify, libc::SYS_mq_getsetattr, libc::SYS_waitid, libc::SYS_ioprio_set,
    libc::SYS_ioprio_get, libc::SYS_inotify_add_watch, libc::SYS_inotify_rm_watch, libc::SYS_openat,
    libc::SYS_mkdirat, libc::SYS_fchownat, libc::SYS_unlinkat, libc::SYS_renameat, libc::SYS_linkat,
    libc::SYS_symlinkat, libc::SYS_readlinkat, libc::SYS_fchmodat, libc::SYS_faccessat,
    libc::SYS_pselect6, libc::SYS_ppoll, libc::SYS_set_robust_list, libc::SYS_get_robust_list,
    libc::SYS_splice, libc::SYS_tee, libc::SYS_sync_file_range, libc::SYS_utimensat,
    libc::SYS_epoll_pwait, libc::SYS_timerfd_create, libc::SYS_fallocate, libc::SYS_timerfd_settime,
    libc::SYS_timerfd_gettime, libc::SYS_accept4, libc::SYS_signalfd4, libc::SYS_eventfd2,
    libc::SYS_epoll_create1, libc::SYS_dup3, libc::SYS_pipe2, libc::SYS_inotify_init1,
    libc::SYS_preadv, libc::SYS_pwritev, libc::SYS_rt_tgsigqueueinfo, libc::SYS_recvmmsg,
    libc::SYS_prlimit64, libc::SYS_syncfs, libc::SYS_sendmmsg, libc::SYS_getcpu,
    libc::SYS_sched_setattr, libc::SYS_sched_getattr, libc::SYS_renameat2, libc::SYS_getrandom,
    libc::SYS_memfd_create, libc::SYS_execveat, libc::SYS_membarrier, libc::SYS_mlock2,
    libc::SYS_copy_file_range, libc::SYS_preadv2, libc::SYS_pwritev2, libc::SYS_pkey_mprotect,
    libc::SYS_pkey_alloc, libc::SYS_pkey_free, libc::SYS_statx, libc::SYS_rseq,
    libc::SYS_pidfd_send_signal, libc::SYS_pidfd_open, libc::SYS_close_range, libc::SYS_openat2,
    libc::SYS_faccessat2, libc::SYS_epoll_pwait2, libc::SYS_process_madvise,
    libc::SYS_process_mrelease, libc::SYS_landlock_create_ruleset, libc::SYS_landlock_add_rule,
    libc::SYS_landlock_restrict_self, libc::SYS_memfd_secret, libc::SYS_futex_waitv,
    libc::SYS_fchmodat2, libc::SYS_seccomp,
    // io_pgetevents, cachestat, map_shadow_stack, futex_wake, futex_wait, futex_requeue, mseal, *xattrat
    IO_PGETEVENTS, 451, 453, 454, 455, 456, 462, 463, 464, 465, 466,
];

/// Calls that only x86-64 still has.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
pub(super) const ALLOWED_X86_64: &[libc::c_long] = &[
    libc::SYS_open, libc::SYS_stat, libc::SYS_lstat, libc::SYS_poll, libc::SYS_access,
    libc::SYS_pipe, libc::SYS_select, libc::SYS_dup2, libc::SYS_pause, libc::SYS_alarm,
    libc::SYS_fork, libc::SYS_vfork, libc::SYS_getdents, libc::SYS_rename, libc::SYS_mkdir,
    libc::SYS_rmdir, libc::SYS_creat, libc::SYS_link, libc::SYS_unlink, libc::SYS_symlink,
    libc::SYS_readlink, libc::SYS_chmod, libc::SYS_chown, libc::SYS_lchown, libc::SYS_getpgrp,
    libc::SYS_utime, libc::SYS_time, libc::SYS_epoll_create, libc::SYS_epoll_wait, libc::SYS_utimes,
    libc::SYS_inotify_init, libc::SYS_futimesat, libc::SYS_signalfd, libc::SYS_eventfd,
    libc::SYS_arch_prctl,
];

/// Known, probed by ordinary programs, and never granted: `EPERM`.
#[rustfmt::skip]
pub(super) const REFUSED: &[libc::c_long] = &[
    libc::SYS_unshare, libc::SYS_setns, libc::SYS_mount, libc::SYS_umount2, libc::SYS_pivot_root,
    libc::SYS_chroot, libc::SYS_ptrace, libc::SYS_process_vm_readv, libc::SYS_process_vm_writev,
    libc::SYS_kcmp, libc::SYS_pidfd_getfd, libc::SYS_keyctl, libc::SYS_add_key,
    libc::SYS_request_key, libc::SYS_bpf, libc::SYS_perf_event_open, libc::SYS_init_module,
    libc::SYS_finit_module, libc::SYS_delete_module, libc::SYS_kexec_load,
    libc::SYS_kexec_file_load, libc::SYS_reboot, libc::SYS_swapon, libc::SYS_swapoff,
    libc::SYS_sethostname, libc::SYS_setdomainname, libc::SYS_settimeofday, libc::SYS_clock_settime,
    libc::SYS_clock_adjtime, libc::SYS_adjtimex, libc::SYS_acct, libc::SYS_quotactl,
    libc::SYS_syslog, libc::SYS_vhangup, libc::SYS_name_to_handle_at, libc::SYS_open_by_handle_at,
    libc::SYS_vmsplice, libc::SYS_userfaultfd, libc::SYS_fanotify_init, libc::SYS_fanotify_mark,
    libc::SYS_lookup_dcookie, libc::SYS_mbind, libc::SYS_set_mempolicy, libc::SYS_get_mempolicy,
    libc::SYS_migrate_pages, libc::SYS_move_pages, libc::SYS_fsopen, libc::SYS_fsconfig,
    libc::SYS_fsmount, libc::SYS_fspick, libc::SYS_open_tree, libc::SYS_move_mount,
    libc::SYS_mount_setattr,
];
