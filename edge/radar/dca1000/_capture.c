// Receives the card's packets and assembles them into frames: one thread calls capture_receive, another one
// capture_take, both without Python's global lock. For Linux; all memory is the caller's. See native.py for the calls.
#ifdef __linux__
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>

#include "_assembler.h"

#define EXPORT __attribute__((visibility("default")))

enum { VERSION = 2 };  // of the calls; native.py has the same
enum { BATCH = 64, DATAGRAM_BYTES = PACKET_BYTES + 1 };  // a longer datagram is truncated to one byte too many
static const int64_t SECOND_NS = 1000000000, MAX_COALESCE_NS = 10000000, CLOCK_STEP_NS = 10000000;

typedef union {
    struct cmsghdr header;
    uint8_t bytes[CMSG_SPACE(sizeof(struct timespec))];
} stamp;

typedef struct {
    assembler a;
    int64_t packet_ns;    // when the card's last packet was received
    int64_t steady_ns;    // time of the last system call
    int64_t coalesce_ns;  // how long packets are collected before they are received
    int64_t gathered;     // packets received since the last wait
    int32_t count, is_drained, was_set;
    struct mmsghdr messages[BATCH];
    struct iovec iovecs[BATCH];
    struct sockaddr_in senders[BATCH];
    stamp stamps[BATCH];
    uint8_t data[BATCH][DATAGRAM_BYTES];
} capture;

// Python compares these with its own, so that a library built from older sources is detected.
EXPORT const int32_t capture_layout[] = {
    VERSION, sizeof(state), sizeof(released_frame), PACKET_BYTES, NEAR_BYTES, RESYNC_PACKETS, MAX_QUEUED_FRAMES};

static int64_t to_ns(struct timespec t) { return (int64_t)t.tv_sec * SECOND_NS + t.tv_nsec; }

static int64_t now_ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return to_ns(t);
}

// The size of the memory for capture_init, or 0 where a frame is too large or has no bytes.
EXPORT int64_t capture_bytes(int64_t frame_bytes) {
    if (frame_bytes < 1 || frame_bytes > 1 << 28) return 0;
    const int64_t each = (int64_t)sizeof(slot) + frame_bytes + seen_bytes(frame_bytes);
    return (int64_t)sizeof(capture) + queue_bytes(frame_bytes) + 8 + slots_for(frame_bytes) * each;
}

// memory: capture_bytes(frame_bytes) zeros; Python has set the first members of its state.
EXPORT void capture_init(capture *c) {
    assembler *a = &c->a;
    const int64_t frame = a->s.frame_bytes, queue_end = (queue_bytes(frame) + 7) / 8 * 8;
    init_queue(&a->released, frame, c + 1);
    a->slot_count = (int32_t)slots_for(frame);
    a->slots = (slot *)((uint8_t *)(c + 1) + queue_end);
    uint8_t *bytes = (uint8_t *)(a->slots + a->slot_count);
    for (int k = 0; k < a->slot_count; k++, bytes += frame + seen_bytes(frame))
        a->slots[k] = (slot){.index = -1, .data = bytes, .seen = bytes + frame};
    for (int k = 0; k < BATCH; k++) {
        c->iovecs[k] = (struct iovec){c->data[k], DATAGRAM_BYTES};
        c->messages[k].msg_hdr = (struct msghdr){.msg_name = c->senders + k,
                                                 .msg_namelen = sizeof c->senders[k],
                                                 .msg_iov = c->iovecs + k,
                                                 .msg_iovlen = 1,
                                                 .msg_control = c->stamps + k,
                                                 .msg_controllen = sizeof c->stamps[k]};
    }
    c->packet_ns = a->s.last_frame_ns = now_ns(CLOCK_MONOTONIC);
    a->s.offset_ns = now_ns(CLOCK_REALTIME) - c->packet_ns;
}

// Where Python finds the frames that capture_take returns, and the bytes that their `data_at` counts from.
EXPORT const released_frame *capture_taken(const capture *c) { return c->a.released.taken_frames; }
EXPORT const uint8_t *capture_data(const capture *c) { return c->a.released.data; }

// Waits up to timeout_ns for `wanted` frames; returns how many came, perhaps more.
EXPORT int capture_take(capture *c, int wanted, int64_t timeout_ns) {
    return take(&c->a.released, wanted < MAX_TAKEN ? wanted : MAX_TAKEN, now_ns(CLOCK_MONOTONIC) + timeout_ns);
}

// Releases the incomplete frames as they are.
EXPORT void capture_flush(capture *c) {
    if (c->a.s.incomplete) c->a.s.last_frame_ns = now_ns(CLOCK_MONOTONIC);
    flush(&c->a);
    wake_consumer(&c->a.released);
}

// Whether an expected sender sent a packet; counts it otherwise.
static int is_from_card(state *s, const datagram *packet) {
    if (!s->senders) return 1;
    for (int64_t k = 0; k < s->sender_count; k++)
        if (packet->sender == s->senders[k]) return 1;
    s->foreign_packets++;
    s->foreign_sender = packet->sender;
    if (packet->bytes == PACKET_BYTES) {  // what a card sends, and not, for example, a broadcast
        s->second_sender = packet->sender;
        s->second_sender_ns = packet->steady_ns;
    }
    return 0;
}

// Processes a datagram that arrived at t_ns (Unix) and steady_ns (monotonic); returns whether it is the card's.
EXPORT int capture_push(capture *c, const uint8_t *data, int64_t bytes, uint32_t sender, int64_t t_ns,
                        int64_t steady_ns) {
    const datagram packet = {data, bytes, t_ns, steady_ns, sender};
    if (!is_from_card(&c->a.s, &packet)) return 0;
    push(&c->a, &packet);
    return 1;
}

// Waits for packets until deadline_ns. A thread that wakes up for every packet needs several times the processor time,
// so it sleeps for coalesce_ns before it receives what has arrived: as long as MAX_COALESCE_NS while few packets arrive
// in that time, else shorter, so that they always fit into the socket's buffer.
static void await_packets(capture *c, int fd, int64_t deadline_ns) {
    if (c->gathered) {
        c->coalesce_ns = c->gathered > BATCH ? c->coalesce_ns / 2 : c->coalesce_ns + MAX_COALESCE_NS / 64;
        if (c->coalesce_ns > MAX_COALESCE_NS) c->coalesce_ns = MAX_COALESCE_NS;
    } else {  // the stream has not begun, or it is between two bursts
        const int64_t left_ns = deadline_ns - now_ns(CLOCK_MONOTONIC);
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        if (poll(&ready, 1, left_ns > 0 ? (int)((left_ns + 999999) / 1000000) : 0) <= 0) return;
    }
    c->gathered = 0;
    const struct timespec wait = {.tv_nsec = c->coalesce_ns};
    nanosleep(&wait, NULL);
}

// Receives a batch with one system call; returns the number of datagrams or a negative error number.
static int receive_batch(capture *c, int fd) {
    for (int k = 0; k < c->count; k++) {  // what the last call has changed
        c->messages[k].msg_hdr.msg_namelen = sizeof c->senders[k];
        c->messages[k].msg_hdr.msg_controllen = sizeof c->stamps[k];
    }
    const int count = recvmmsg(fd, c->messages, BATCH, MSG_DONTWAIT, NULL);
    c->is_drained = count < BATCH;
    c->count = count > 0 ? count : 0;
    if (count < 0) return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    c->gathered += count;
    c->steady_ns = now_ns(CLOCK_MONOTONIC);
    const int64_t offset_ns = now_ns(CLOCK_REALTIME) - c->steady_ns;
    c->was_set = distance(offset_ns, c->a.s.offset_ns) > CLOCK_STEP_NS;
    c->a.s.offset_ns = offset_ns;
    return count;
}

// Processes datagram k of the batch; returns whether it is the card's. Its times are the kernel's, so a delayed
// receiver still measures pauses between packets correctly. If the clock was set since the last call, or the kernel
// gives no time, the times are those of the call.
static int process(capture *c, int k) {
    int64_t t_ns = c->steady_ns + c->a.s.offset_ns, steady_ns = c->steady_ns;
    const struct cmsghdr *control = CMSG_FIRSTHDR(&c->messages[k].msg_hdr);
    if (control && control->cmsg_level == SOL_SOCKET && control->cmsg_type == SO_TIMESTAMPNS &&
        control->cmsg_len >= CMSG_LEN(sizeof(struct timespec))) {
        struct timespec kernel;
        memcpy(&kernel, CMSG_DATA(control), sizeof kernel);
        t_ns = to_ns(kernel);
        if (!c->was_set) steady_ns = t_ns - c->a.s.offset_ns;
    }
    return capture_push(c, c->data[k], c->messages[k].msg_len, c->senders[k].sin_addr.s_addr, t_ns, steady_ns);
}

// Called once before capture_receive. Without the kernel's times, which an emulated Linux may not have, pauses are
// measured between calls.
EXPORT void capture_open(int fd) {
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
}

// Receives for timeout_ns; returns 0 or an error number. silence_ns then is how long no packet of the card had arrived
// before the last system call, 0 if it received one.
EXPORT int capture_receive(capture *c, int fd, int64_t timeout_ns) {
    state *s = &c->a.s;
    const int64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + timeout_ns;
    do {
        if (c->is_drained) await_packets(c, fd, deadline_ns);
        s->silence_ns = now_ns(CLOCK_MONOTONIC) - c->packet_ns;
        const int count = receive_batch(c, fd);
        if (count < 0) return -count;
        const int64_t frames = s->released_count;
        for (int k = 0; k < count; k++) {
            if (!process(c, k)) continue;
            s->silence_ns = 0;
            c->packet_ns = c->steady_ns;
        }
        if (s->released_count == frames) continue;
        s->last_frame_ns = c->steady_ns;
        wake_consumer(&c->a.released);
    } while (now_ns(CLOCK_MONOTONIC) < deadline_ns);
    return 0;
}
#endif
