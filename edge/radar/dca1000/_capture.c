// Receives the card's packets and assembles them into frames. One call blocks, without Python's global lock, until
// frames are released. All memory is the caller's. See native.py for the calls.
#define _GNU_SOURCE
#include <stddef.h>

#include "_assembler.h"

#define EXPORT __attribute__((visibility("default")))

enum { BATCH = 64, DATAGRAM_BYTES = PACKET_BYTES + 1 };  // a longer datagram is truncated to one byte too many

#ifdef __linux__
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

typedef union {
    struct cmsghdr header;
    uint8_t bytes[CMSG_SPACE(sizeof(struct timespec))];
} stamp;

typedef struct {
    struct mmsghdr messages[BATCH];
    struct iovec iovecs[BATCH];
    struct sockaddr_in senders[BATCH];
    stamp stamps[BATCH];
    uint8_t data[BATCH][DATAGRAM_BYTES];
    int64_t packet_ns;    // when the card's last packet was received
    int64_t coalesce_ns;  // how long packets are collected before they are received
    int64_t steady_ns;    // time of the last system call
    int32_t next, count;  // datagrams of the batch: the next one to process, all
    int32_t is_drained, was_set;
} receiver;
#else
typedef struct {
    char none;
} receiver;
#endif

typedef struct {
    assembler a;
    receiver r;
} capture;

// Python compares these with its own, so that a library built from older sources is detected.
EXPORT const int32_t capture_layout[] = {sizeof(state),  sizeof(released_frame), PACKET_BYTES,
                                         NEAR_BYTES, RESYNC_PACKETS};

// One call releases at most all incomplete frames and those of RESYNC_PACKETS strays, which are near each other; there
// is space for two such calls.
static int64_t released_for(int64_t frame_bytes) { return 4 * slots_for(frame_bytes); }

// The size of the memory for capture_init, or 0 where a frame is too large or has no bytes.
EXPORT int64_t capture_bytes(int64_t frame_bytes) {
    if (frame_bytes < 1 || frame_bytes > 1 << 28) return 0;
    const int64_t slots = slots_for(frame_bytes), released = released_for(frame_bytes);
    return (int64_t)sizeof(capture) + slots * (int64_t)sizeof(slot) + released * (int64_t)sizeof(released_frame) +
           slots * (frame_bytes + seen_bytes(frame_bytes)) + released * frame_bytes;
}

// memory: capture_bytes(frame_bytes) zeros; Python has set the first members of its state.
EXPORT void capture_init(capture *c) {
    assembler *a = &c->a;
    const int64_t frame = a->s.frame_bytes;
    a->slot_count = (int32_t)slots_for(frame);
    a->max_released = (int32_t)released_for(frame);
    a->slots = (slot *)(c + 1);
    a->frames = (released_frame *)(a->slots + a->slot_count);
    a->s.frames = a->frames;
    uint8_t *bytes = (uint8_t *)(a->frames + a->max_released);
    for (int k = 0; k < a->max_released; k++, bytes += frame) a->frames[k].data = bytes;
    for (int k = 0; k < a->slot_count; k++, bytes += frame + seen_bytes(frame))
        a->slots[k] = (slot){.index = -1, .data = bytes, .seen = bytes + frame};
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

// Processes one datagram that arrived at t_ns (Unix) and steady_ns (monotonic); returns whether it is the card's. The
// frames that it releases are added to those of the call before, unless `released` was set to 0.
EXPORT int capture_push(capture *c, const uint8_t *data, int64_t bytes, uint32_t sender, int64_t t_ns,
                        int64_t steady_ns) {
    const datagram packet = {data, bytes, t_ns, steady_ns, sender};
    if (!is_from_card(&c->a.s, &packet)) return 0;
    push(&c->a, &packet);
    return 1;
}

// Releases the incomplete frames as they are.
EXPORT void capture_flush(capture *c) {
    c->a.s.released = 0;
    flush(&c->a);
}

#ifdef __linux__
static const int64_t SECOND_NS = 1000000000, MAX_COALESCE_NS = 1000000, CLOCK_STEP_NS = 10000000;

static int64_t to_ns(struct timespec t) { return (int64_t)t.tv_sec * SECOND_NS + t.tv_nsec; }

static int64_t now_ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return to_ns(t);
}

// Waits for packets until deadline_ns. The card sends a frame as a burst: after the first packet, a wait lets one
// wake-up receive the whole burst.
static void await_packets(receiver *r, int fd, int64_t deadline_ns) {
    const int64_t left_ns = deadline_ns - now_ns(CLOCK_MONOTONIC);
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    const int timeout_ms = left_ns > 0 ? (int)((left_ns + 999999) / 1000000) : 0;
    if (poll(&ready, 1, timeout_ms) <= 0) return;
    const struct timespec wait = {.tv_nsec = r->coalesce_ns};
    nanosleep(&wait, NULL);
}

// Receives a batch with one system call; returns 0 or an error number.
static int receive_batch(capture *c, int fd) {
    receiver *r = &c->r;
    for (int k = 0; k < BATCH; k++) {
        r->iovecs[k] = (struct iovec){r->data[k], DATAGRAM_BYTES};
        r->messages[k].msg_hdr = (struct msghdr){.msg_name = r->senders + k,
                                                 .msg_namelen = sizeof r->senders[k],
                                                 .msg_iov = r->iovecs + k,
                                                 .msg_iovlen = 1,
                                                 .msg_control = r->stamps + k,
                                                 .msg_controllen = sizeof r->stamps[k]};
    }
    const int count = recvmmsg(fd, r->messages, BATCH, MSG_DONTWAIT, NULL);
    r->next = 0;
    r->count = count > 0 ? count : 0;
    r->is_drained = count < BATCH;
    // Shorter waits while many packets arrive in one, so that the socket's buffer never fills.
    r->coalesce_ns = count > BATCH / 2 ? r->coalesce_ns / 2 : r->coalesce_ns + MAX_COALESCE_NS / 64;
    if (r->coalesce_ns > MAX_COALESCE_NS) r->coalesce_ns = MAX_COALESCE_NS;
    if (count < 0) return errno == EAGAIN || errno == EINTR ? 0 : errno;
    r->steady_ns = now_ns(CLOCK_MONOTONIC);
    const int64_t offset_ns = now_ns(CLOCK_REALTIME) - r->steady_ns;
    r->was_set = distance(offset_ns, c->a.s.offset_ns) > CLOCK_STEP_NS;
    c->a.s.offset_ns = offset_ns;
    return 0;
}

// Processes the next datagram of the batch; returns whether it is the card's. Its times are the kernel's, so a delayed
// receiver still measures pauses between packets correctly. If the clock was set since the last call, or the kernel
// gives no time, the times are those of the call.
static int process(capture *c) {
    receiver *r = &c->r;
    const int k = r->next++;
    int64_t t_ns = r->steady_ns + c->a.s.offset_ns, steady_ns = r->steady_ns;
    const struct cmsghdr *control = CMSG_FIRSTHDR(&r->messages[k].msg_hdr);
    if (control && control->cmsg_level == SOL_SOCKET && control->cmsg_type == SO_TIMESTAMPNS &&
        control->cmsg_len >= CMSG_LEN(sizeof(struct timespec))) {
        struct timespec kernel;
        memcpy(&kernel, CMSG_DATA(control), sizeof kernel);
        t_ns = to_ns(kernel);
        if (!r->was_set) steady_ns = t_ns - c->a.s.offset_ns;
    }
    return capture_push(c, r->data[k], r->messages[k].msg_len, r->senders[k].sin_addr.s_addr, t_ns, steady_ns);
}

// Called once before capture_receive. Without the kernel's times, which an emulated Linux may not have, pauses are
// measured between calls.
EXPORT void capture_open(capture *c, int fd) {
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    c->r.packet_ns = now_ns(CLOCK_MONOTONIC);
    c->r.coalesce_ns = MAX_COALESCE_NS;
    c->a.s.offset_ns = now_ns(CLOCK_REALTIME) - c->r.packet_ns;
}

// Returns 0 when frames are released or timeout_ns is over, or an error number. silence_ns then is how long no packet
// of the card had arrived before the last system call, 0 if it received one.
EXPORT int capture_receive(capture *c, int fd, int64_t timeout_ns) {
    state *s = &c->a.s;
    receiver *r = &c->r;
    const int64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + timeout_ns;
    s->released = 0;
    do {
        if (r->next == r->count) {
            if (r->is_drained) await_packets(r, fd, deadline_ns);
            s->silence_ns = now_ns(CLOCK_MONOTONIC) - r->packet_ns;
            const int error = receive_batch(c, fd);
            if (error) return error;
        }
        // A datagram releases half of the space at most.
        while (r->next < r->count && s->released <= c->a.max_released / 2) {
            if (!process(c)) continue;
            s->silence_ns = 0;
            r->packet_ns = r->steady_ns;
        }
    } while (!s->released && now_ns(CLOCK_MONOTONIC) < deadline_ns);
    return 0;
}
#endif
