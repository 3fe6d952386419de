package cluster

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// The messages of the cluster bus, in the form that servers from 7.0 on send: redis 7.0.15
// cluster.h clusterMsg, whose offsets are asserted there. All numbers are big-endian.

// MessageType is what a message is.
type MessageType uint16

// The types of messages.
const (
	Ping MessageType = iota
	Pong
	Meet
	Failed
	Publish
	AuthRequest // may I take my master's place?
	AuthAck     // yes
	Update      // who owns slots that the receiver believes to be its own
	MFStart     // clients are to pause for a manual failover
	Module
	PublishShard

	messageTypes
)

var messageNames = [messageTypes]string{"ping", "pong", "meet", "fail", "publish", "auth-req", "auth-ack", "update", "mfstart", "module", "publishshard"}

// String is the name of CLUSTER INFO.
func (t MessageType) String() string {
	if t < messageTypes {
		return messageNames[t]
	}
	return "unknown"
}

// Sizes of the parts of a message, in bytes, and where the fields of its head begin.
const (
	idLen      = 40
	ipLen      = 46 // NET_IP_STR_LEN, with the NUL behind the text
	headLen    = 2256
	gossipLen  = 104
	publishLen = 8
	updateLen  = 8 + idLen + Slots/8
	moduleLen  = 13
	extLen     = 8

	atTotal, atVersion, atPort, atType, atCount       = 4, 8, 10, 12, 14
	atCurrentEpoch, atConfigEpoch, atOffset           = 16, 24, 32
	atSender, atSlots, atMaster, atIP                 = 40, 80, 2128, 2168
	atExtensions, atPlainPort, atBusPort, atNodeFlags = 2214, 2246, 2248, 2250
	atState, atMessageFlags                           = 2252, 2253
	gossipPing, gossipPong, gossipIP                  = 40, 44, 48
	gossipPort, gossipBus, gossipFlags, gossipPlain   = 94, 96, 98, 100
)

const (
	signature       = "RCmb"
	protocolVersion = "\x00\x01"
)

// Flags of a message (its first byte of mflags).
const (
	flagPaused   = 1 << iota // the master has paused its clients
	flagForceAck             // vote though the master is up
	flagExtData              // there are extensions
)

// maxMessage bounds a message: two strings of PUBLISH of the greatest size that clients may
// send by default (proto-max-bulk-len). Redis has no bound.
const maxMessage = 1<<30 + headLen + publishLen

// Message is a message of the bus, decoded.
type Message struct {
	Type         MessageType
	Port         uint16 // for clients
	CurrentEpoch uint64
	ConfigEpoch  uint64
	Offset       uint64
	Sender       string // 40 characters
	Slots        SlotSet
	Master       string // of a replica; "" for none
	IP           string // announced; "": the one it comes from
	PlainPort    uint16
	BusPort      uint16
	NodeFlags    Flags
	State        byte // 0 is ok, 1 fail
	Flags        byte // flagPaused and so on

	Gossip     []Gossip    // of Ping, Pong, Meet
	Extensions []Extension // likewise

	About string // whom Failed is about

	Channel, Payload []byte // of Publish and PublishShard; the payload of Module

	// Of Update.
	UpdateEpoch uint64
	UpdateNode  string
	UpdateSlots SlotSet

	// Of Module.
	ModuleID   uint64
	ModuleType byte
}

// Gossip is what a message says of another node.
type Gossip struct {
	ID                   string
	PingSent, PongGot    uint32 // Unix seconds
	IP                   string
	Port, BusPort, Plain uint16
	Flags                Flags
}

// Extension is a part of a ping that older servers skip.
type Extension struct {
	Type uint16 // 0: a hostname, which ends with a zero
	Data []byte // as long as multiples of 8 are
}

// ErrIncomplete says that a message has not ended yet.
var ErrIncomplete = errors.New("incomplete message")

var errNoMessage = errors.New("Bad message length or signature received from Cluster bus.") //lint:ignore ST1005 redis-server words it so

// Frame cuts the first message off what was received. ErrIncomplete: there is more to come;
// another error: this is no bus (redis 7.0.15 cluster.c clusterReadHandler).
func Frame(in []byte) (packet, rest []byte, err error) {
	if len(in) < 8 {
		if !bytes.HasPrefix([]byte(signature), in[:min(len(in), 4)]) {
			return nil, nil, errNoMessage
		}
		return nil, in, ErrIncomplete
	}
	total := binary.BigEndian.Uint32(in[atTotal:])
	switch {
	case string(in[:4]) != signature || total < headLen || total > maxMessage:
		return nil, nil, errNoMessage
	case uint64(len(in)) < uint64(total):
		return nil, in, ErrIncomplete
	}
	return in[:total], in[total:], nil
}

// errVersion is of messages that are skipped without a word.
var errVersion = errors.New("another version of the bus")

// lengthError is a message that is not as long as its type wants it.
type lengthError struct {
	t        MessageType
	got, due uint64
}

func (e *lengthError) Error() string {
	return fmt.Sprintf("Received invalid %s packet of length %d but expected length %d", e.t, e.got, e.due)
}

// typeOf is a packet's type, which is counted before anything else of it is looked at.
func typeOf(packet []byte) MessageType { return MessageType(binary.BigEndian.Uint16(packet[atType:])) }

// Decode reads a message that Frame has returned. Nothing of it refers to the packet
// (redis 7.0.15 cluster.c clusterProcessPacket).
func Decode(packet []byte) (*Message, error) {
	be := binary.BigEndian
	if len(packet) < headLen || be.Uint32(packet[atTotal:]) != uint32(len(packet)) || string(packet[:4]) != signature {
		return nil, errNoMessage
	}
	if string(packet[atVersion:atVersion+2]) != protocolVersion {
		return nil, errVersion
	}
	m := &Message{
		Type: typeOf(packet), Port: be.Uint16(packet[atPort:]),
		CurrentEpoch: be.Uint64(packet[atCurrentEpoch:]), ConfigEpoch: be.Uint64(packet[atConfigEpoch:]), Offset: be.Uint64(packet[atOffset:]),
		Sender: readID(packet[atSender:]), Master: readID(packet[atMaster:]), IP: readText(packet[atIP : atIP+ipLen-1]),
		PlainPort: be.Uint16(packet[atPlainPort:]), BusPort: be.Uint16(packet[atBusPort:]), NodeFlags: Flags(be.Uint16(packet[atNodeFlags:])),
		State: packet[atState], Flags: packet[atMessageFlags],
	}
	copy(m.Slots[:], packet[atSlots:])
	body := packet[headLen:]
	due := uint64(headLen)
	switch m.Type {
	case Ping, Pong, Meet:
		return m, m.decodeGossip(packet)
	case Failed:
		due += idLen
		if len(body) == idLen {
			m.About = readID(body)
		}
	case Publish, PublishShard:
		due += publishLen
		if len(body) >= publishLen {
			channel, message := be.Uint32(body), be.Uint32(body[4:])
			due += uint64(channel) + uint64(message)
			if body = body[publishLen:]; uint64(len(body)) == uint64(channel)+uint64(message) {
				m.Channel, m.Payload = bytes.Clone(body[:channel]), bytes.Clone(body[channel:])
			}
		}
	case AuthRequest, AuthAck, MFStart:
	case Update:
		due += updateLen
		if len(body) == updateLen {
			m.UpdateEpoch, m.UpdateNode = be.Uint64(body), readID(body[8:])
			copy(m.UpdateSlots[:], body[8+idLen:])
		}
	case Module:
		due += moduleLen
		if len(body) >= moduleLen {
			due += uint64(be.Uint32(body[8:]))
			m.ModuleID, m.ModuleType, m.Payload = be.Uint64(body), body[12], bytes.Clone(body[moduleLen:])
		}
	default:
		return m, nil // it is told of in the log
	}
	if due != uint64(len(packet)) {
		return nil, &lengthError{m.Type, uint64(len(packet)), due}
	}
	return m, nil
}

// decodeGossip reads what follows the head of a ping.
func (m *Message) decodeGossip(packet []byte) error {
	be := binary.BigEndian
	count, extensions := int(be.Uint16(packet[atCount:])), int(be.Uint16(packet[atExtensions:]))
	due := headLen + count*gossipLen
	if len(packet) < due {
		return &lengthError{m.Type, uint64(len(packet)), uint64(due)}
	}
	for at := headLen; at < due; at += gossipLen {
		g := packet[at : at+gossipLen]
		m.Gossip = append(m.Gossip, Gossip{
			ID: readID(g), PingSent: be.Uint32(g[gossipPing:]), PongGot: be.Uint32(g[gossipPong:]), IP: readText(g[gossipIP : gossipIP+ipLen-1]),
			Port: be.Uint16(g[gossipPort:]), BusPort: be.Uint16(g[gossipBus:]), Plain: be.Uint16(g[gossipPlain:]), Flags: Flags(be.Uint16(g[gossipFlags:])),
		})
	}
	rest := packet[due:]
	if m.Flags&flagExtData != 0 {
		for range extensions {
			if len(rest) < extLen {
				return fmt.Errorf("Received invalid %s packet with extension data that exceeds total packet length (%d)", m.Type, len(packet)) //lint:ignore ST1005 redis-server words it so
			}
			length := be.Uint32(rest)
			switch {
			case length%8 != 0:
				return fmt.Errorf("Received a %s packet without proper padding (%d bytes)", m.Type, length) //lint:ignore ST1005 redis-server words it so
			case length < extLen || uint64(length) > uint64(len(rest)):
				return fmt.Errorf("Received invalid %s packet with extension data that exceeds total packet length (%d)", m.Type, len(packet)) //lint:ignore ST1005 redis-server words it so
			}
			m.Extensions = append(m.Extensions, Extension{be.Uint16(rest[4:]), bytes.Clone(rest[extLen:length])})
			rest = rest[length:]
		}
	}
	if len(rest) > 0 {
		return &lengthError{m.Type, uint64(len(packet)), uint64(len(packet) - len(rest))}
	}
	return nil
}

// hostname is that of the extensions, "" if none has one.
func (m *Message) hostname() (name string) {
	for _, e := range m.Extensions {
		if e.Type == 0 {
			name = readText(e.Data)
		}
	}
	return name
}

// hostnameExtension is the extension that tells a name.
func hostnameExtension(name string) Extension {
	data := make([]byte, (len(name)+1+7)/8*8)
	copy(data, name)
	return Extension{Data: data}
}

// Append appends the message's bytes. It is as its fields say; what they do not is zero.
func (m *Message) Append(b []byte) []byte {
	be := binary.BigEndian
	begin := len(b)
	b = append(b, make([]byte, headLen)...)
	h := b[begin:]
	copy(h, signature)
	copy(h[atVersion:], protocolVersion)
	be.PutUint16(h[atPort:], m.Port)
	be.PutUint16(h[atType:], uint16(m.Type))
	be.PutUint16(h[atCount:], uint16(len(m.Gossip)))
	be.PutUint64(h[atCurrentEpoch:], m.CurrentEpoch)
	be.PutUint64(h[atConfigEpoch:], m.ConfigEpoch)
	be.PutUint64(h[atOffset:], m.Offset)
	copy(h[atSender:atSender+idLen], m.Sender)
	copy(h[atSlots:], m.Slots[:])
	copy(h[atMaster:atMaster+idLen], m.Master)
	copy(h[atIP:atIP+ipLen-1], m.IP)
	be.PutUint16(h[atExtensions:], uint16(len(m.Extensions)))
	be.PutUint16(h[atPlainPort:], m.PlainPort)
	be.PutUint16(h[atBusPort:], m.BusPort)
	be.PutUint16(h[atNodeFlags:], uint16(m.NodeFlags))
	h[atState], h[atMessageFlags] = m.State, m.Flags
	b = m.appendBody(b)
	be.PutUint32(b[begin+atTotal:], uint32(len(b)-begin))
	return b
}

func (m *Message) appendBody(b []byte) []byte {
	be := binary.BigEndian
	switch m.Type {
	case Ping, Pong, Meet:
		for i := range m.Gossip {
			b = m.Gossip[i].append(b)
		}
		for _, e := range m.Extensions {
			b = be.AppendUint32(b, uint32(extLen+len(e.Data)))
			b = be.AppendUint16(b, e.Type)
			b = append(append(b, 0, 0), e.Data...)
		}
	case Failed:
		b = appendPadded(b, m.About, idLen)
	case Publish, PublishShard:
		b = be.AppendUint32(b, uint32(len(m.Channel)))
		b = be.AppendUint32(b, uint32(len(m.Payload)))
		b = append(append(b, m.Channel...), m.Payload...)
	case Update:
		b = be.AppendUint64(b, m.UpdateEpoch)
		b = appendPadded(b, m.UpdateNode, idLen)
		b = append(b, m.UpdateSlots[:]...)
	case Module:
		b = be.AppendUint64(b, m.ModuleID)
		b = be.AppendUint32(b, uint32(len(m.Payload)))
		b = append(append(b, m.ModuleType), m.Payload...)
	}
	return b
}

func (g *Gossip) append(b []byte) []byte {
	be := binary.BigEndian
	b = appendPadded(b, g.ID, idLen)
	b = be.AppendUint32(b, g.PingSent)
	b = be.AppendUint32(b, g.PongGot)
	b = appendPadded(b, g.IP, ipLen)
	b = be.AppendUint16(b, g.Port)
	b = be.AppendUint16(b, g.BusPort)
	b = be.AppendUint16(b, uint16(g.Flags))
	b = be.AppendUint16(b, g.Plain)
	return append(b, 0, 0)
}

// appendPadded appends text and zeroes, n bytes together.
func appendPadded(b []byte, text string, n int) []byte {
	text = text[:min(len(text), n)]
	return append(append(b, text...), make([]byte, n-len(text))...)
}

// readID is a node's name; "" for none.
func readID(b []byte) string {
	if len(bytes.Trim(b[:idLen], "\x00")) == 0 {
		return ""
	}
	return string(b[:idLen])
}

// readText is a text that ends with a zero, or where its field does.
func readText(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}
