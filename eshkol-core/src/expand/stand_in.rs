//! The names of the language, until the checker says them.

const NAMES: &str = "+ - * quotient remainder modulo abs min max = < > <= >= zero? positive? negative? even? odd? square \
bitwise-and bitwise-ior bitwise-xor bitwise-not arithmetic-shift bit-count not list append cons vector values \
call-with-values apply map for-each fold any every filter compose range vector-ref vector-map vector-for-each vector-length length car cdr \
null? pair? map-lookup map-update map-delete map-increment! map-push map-pop map-peek map-for-each map-value-set! ringbuf-submit \
ringbuf-reserve ringbuf-discard perf-output tail-call redirect stack-id update-histogram atomic-add! atomic-and! atomic-or! \
atomic-xor! atomic-exchange! atomic-compare-exchange! with-spin-lock log-info log-error log-warn log-debug byte-swap cpu-id \
time-ns random-u32 probe-read probe-read-str get-syscall-arg get-syscall-id get-kprobe-arg kprobe-return-value \
tracepoint-field packet-length parse-eth-header parse-vlan-header parse-arp-header parse-ipv4-header parse-ipv6-header \
parse-tcp-header parse-udp-header parse-icmp-header parse-icmp6-header ipv4 ipv6 mac bpf-ktime-get-ns bpf-trace-printk \
bpf-get-current-pid-tgid bpf-get-current-uid-gid bpf-get-current-comm bpf-probe-read-user-str";

pub(super) fn exists(name: &str) -> bool {
    let prefixes = ["bpf-", "ctx-", "set-ctx-", "eth-", "ipv4-", "ipv6-", "tcp-", "udp-", "icmp-", "vlan-", "arp-"];
    NAMES.split(' ').any(|known| known == name) || prefixes.iter().any(|prefix| name.starts_with(prefix))
}

pub(super) fn names() -> Vec<String> {
    NAMES.split(' ').map(str::to_owned).collect()
}
